/**
 * Every text of the page, in Chinese and in English, and the choice between them.
 *
 * It formats nothing else and touches no page. The rule that must not break: both languages
 * have the same keys, and a `{name}` in one stands in the other too.
 */
const zh = {
  name: "小助",
  title: "小助 · 智能客服",
  language: "EN",
  languageLabel: "Switch to English",
  languageCode: "zh-CN",
  skip: "跳到输入框",

  greeting: "您好，想问点什么？",
  greetingMore: "直接打字提问就行。回答由店里这台机器当场写出来。",
  starters: "可以试着问",
  starter1: "你是谁？能帮我做什么？",
  starter2: "帮我写一条请假短信",
  starter3: "一般退货要带什么？",
  starter4: "“洗手间在哪里”用英语怎么说？",
  goBack: "回到刚才的对话",

  conversation: "对话",
  youSaid: "您说",
  answer: "回答",
  generated: "AI 生成",
  generatedIn: "AI 生成 · {seconds} 秒",
  copy: "复制",
  copied: "已复制",
  copyFailed: "复制不了，请长按文字选择",
  retry: "再试一次",
  latest: "回到最新",

  placeholder: "输入您的问题",
  messageLabel: "您的问题",
  send: "发送",
  stop: "停止回答",
  stopping: "正在停止…",
  careful: "AI 可能出错，重要的事请向店员确认。",
  charsLeft: "还可输入 {count} 字",
  charsOver: "超出 {count} 字，请缩短后再发送",
  newConversation: "新对话",
  about: "关于与设置",
  close: "关闭",

  waitSending: "正在发送…",
  waitThinking: "正在想…",
  waitSpeaking: "正在回答…",
  waitQueue: "前面还有 {position} 位，请稍等",
  waitQueueSeconds: "前面还有 {position} 位，大约 {seconds} 秒",
  waitNext: "马上就到您",
  waitLoading: "模型还在准备，好了就回答您",
  waitRecovering: "稍等，正在恢复连接",
  waitCut: "连接断了，连上后会自己接着说",
  waitGoesOn: "机器刚重新启动，马上自己接着说",

  endLength: "回答到了长度上限，可以说“继续”",
  endCancelled: "已停止",
  endTimeout: "时间到了，没有说完",
  endRefused: "这个问题不便回答",
  endHandedOver: "已转给人工",

  errorConnection: "没能发出去：连不上店里的机器。您写的内容还在。",
  errorBusy: "现在问的人太多，请稍等一会儿再试。",
  errorBusySeconds: "现在问的人太多，请过 {seconds} 秒再试。",
  errorModel: "模型现在用不了，没法回答。您写的内容还在。",
  errorEngine: "回答到一半出了错，没有说完。",
  errorStore: "现在存不下对话，所以没有收下这个问题。您写的内容还在。",
  errorStoreAnswer: "磁盘出了问题，回答没有说完。您的问题已经收下。",
  errorInterrupted: "这个问题两次让助手中断了，请换个说法再问。",
  errorTooLong: "这条消息太长或有不能识别的字符，请改短一些。",
  errorUnanswered: "这个问题还没有得到回答。",
  errorOther: "出了点问题，没有回答成。",

  noticeTrimmed: "对话较长，最早的内容这次没有用上。",
  noticeRepetition: "回答开始重复，已提前结束。",

  bannerReconnecting: "连接断了，正在重新连接…",
  bannerStarting: "正在启动，很快就好。现在就可以提问。",
  bannerLoading: "模型正在加载（{percent}%）。现在就可以提问，好了马上回答。",
  bannerLoadingPlain: "模型正在加载。现在就可以提问，好了马上回答。",
  bannerUnavailable: "模型现在用不了，暂时答不了问题。",
  bannerStore: "现在存不下对话，暂时收不了问题。",

  aboutTitle: "关于小助",
  aboutText: "这是一个运行在店里这台机器上的 AI 助手。它写得快，但可能出错；价格、日期、订单等要紧的事，请向店员确认。",
  aboutModel: "模型",
  aboutState: "现在的情况",
  aboutStore: "对话的存储",
  aboutThreads: "使用的处理器线程",
  aboutContext: "一次能记住的长度",
  aboutVersion: "版本",
  aboutNotes: "给店家的说明",
  aboutRemedy: "解决办法",
  aboutTokens: "{count} 个词元（一个汉字约 1 个）",
  aboutUnknown: "还不知道",
  aboutUnreached: "现在连不上店里的机器。",
  stateReady: "可以回答",
  stateLoading: "正在准备",
  stateUnavailable: "用不了",
  storeReady: "正常",
  storeOpening: "正在打开",
  storeFull: "磁盘满了，存不下新的对话",
  storeUnavailable: "用不了",
  theme: "外观",
  themeAuto: "跟随系统",
  themeLight: "浅色",
  themeDark: "深色",

  sayAnswering: "正在回答",
  sayAnswered: "回答：{text}",
  sayWelcomeBack: "连接恢复了",
};

const en = {
  name: "Helper",
  title: "Helper · customer service",
  language: "中",
  languageLabel: "切换到中文",
  languageCode: "en",
  skip: "Skip to the question field",

  greeting: "Hello. What can I do for you?",
  greetingMore: "Just type your question. The answer is written here, on the shop’s own machine.",
  starters: "You could ask",
  starter1: "Who are you, and how can you help?",
  starter2: "Write a short text to call in sick",
  starter3: "What do I usually need for a return?",
  starter4: "How do I say “Where is the restroom?” in Chinese?",
  goBack: "Back to the last conversation",

  conversation: "Conversation",
  youSaid: "You said",
  answer: "Answer",
  generated: "AI-generated",
  generatedIn: "AI-generated · {seconds} s",
  copy: "Copy",
  copied: "Copied",
  copyFailed: "Could not copy; press and hold the text to select it",
  retry: "Try again",
  latest: "Jump to latest",

  placeholder: "Type your question",
  messageLabel: "Your question",
  send: "Send",
  stop: "Stop the answer",
  stopping: "Stopping…",
  careful: "AI can be wrong. Please check what matters with the staff.",
  charsLeft: "{count} characters left",
  charsOver: "{count} characters too many; please shorten it",
  newConversation: "New chat",
  about: "About and settings",
  close: "Close",

  waitSending: "Sending…",
  waitThinking: "Thinking…",
  waitSpeaking: "Answering…",
  waitQueue: "{position} ahead of you, one moment",
  waitQueueSeconds: "{position} ahead of you, about {seconds} s",
  waitNext: "You are next",
  waitLoading: "The model is still getting ready; you will be answered then",
  waitRecovering: "One moment: getting the connection back",
  waitCut: "Connection lost; the answer goes on by itself",
  waitGoesOn: "The machine has restarted; the answer goes on by itself",

  endLength: "Cut at the length limit; you can say “go on”",
  endCancelled: "Stopped",
  endTimeout: "Out of time, not finished",
  endRefused: "This cannot be answered",
  endHandedOver: "Handed to the staff",

  errorConnection: "Not sent: the shop’s machine cannot be reached. Your words are kept.",
  errorBusy: "Too many people are asking. Please try again in a moment.",
  errorBusySeconds: "Too many people are asking. Please try again in {seconds} s.",
  errorModel: "The model is not available, so there is no answer. Your words are kept.",
  errorEngine: "Something broke in the middle of the answer.",
  errorStore: "Conversations cannot be saved now, so this was not taken. Your words are kept.",
  errorStoreAnswer: "The disk failed and the answer broke off. Your question is kept.",
  errorInterrupted: "This question stopped the assistant twice. Please ask it in other words.",
  errorTooLong: "This message is too long or has unreadable characters. Please shorten it.",
  errorUnanswered: "This question has not been answered yet.",
  errorOther: "Something went wrong; there is no answer.",

  noticeTrimmed: "This conversation is long; its beginning was left out this time.",
  noticeRepetition: "The answer began to repeat itself and was ended early.",

  bannerReconnecting: "Connection lost, reconnecting…",
  bannerStarting: "Starting up. You can ask already.",
  bannerLoading: "The model is loading ({percent}%). You can ask already.",
  bannerLoadingPlain: "The model is loading. You can ask already.",
  bannerUnavailable: "The model is not available; questions cannot be answered now.",
  bannerStore: "Conversations cannot be saved now; questions are not taken.",

  aboutTitle: "About Helper",
  aboutText: "This is an AI assistant that runs on the shop’s own machine. It is quick, but it can be wrong: please check prices, dates and orders with the staff.",
  aboutModel: "Model",
  aboutState: "State",
  aboutStore: "Storage of conversations",
  aboutThreads: "Processor threads",
  aboutContext: "Memory for one go",
  aboutVersion: "Version",
  aboutNotes: "Notes for the shop",
  aboutRemedy: "What mends it",
  aboutTokens: "{count} tokens (an English word is one or two)",
  aboutUnknown: "not known yet",
  aboutUnreached: "The shop’s machine cannot be reached now.",
  stateReady: "ready to answer",
  stateLoading: "getting ready",
  stateUnavailable: "not available",
  storeReady: "in order",
  storeOpening: "being opened",
  storeFull: "the disk is full; new conversations cannot be saved",
  storeUnavailable: "not available",
  theme: "Appearance",
  themeAuto: "System",
  themeLight: "Light",
  themeDark: "Dark",

  sayAnswering: "Answering",
  sayAnswered: "Answer: {text}",
  sayWelcomeBack: "Connected again",
};

export const LANGUAGES = Object.freeze({ zh, en });

/** The kept language if there is one, else the first of the browser's that we speak. */
export function chooseLanguage(kept, preferred) {
  if (Object.hasOwn(LANGUAGES, kept)) return kept;
  const spoken = preferred.map((tag) => tag.slice(0, 2).toLowerCase());
  return spoken.find((code) => Object.hasOwn(LANGUAGES, code)) ?? "en";
}

export class Words {
  constructor(language) {
    this.language = language;
  }

  get other() {
    return this.language === "zh" ? "en" : "zh";
  }

  say(key, values = {}) {
    return LANGUAGES[this.language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }
}
