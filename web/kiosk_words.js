/**
 * The kiosk's own texts in every language, to be laid over the conversation's.
 *
 * It chooses none. The rule that must not break: the keys and the `{name}`s are the same in both.
 */
export const KIOSK = Object.freeze({
  zh: {
    kioskHello: "您好，请问有什么可以帮您？",
    kioskBegin: "点一下屏幕，开始提问",
    kioskBeginHere: "中文请点这里",
    kioskTop: "智能客服",
    kioskEnd: "结束对话",
    kioskStill: "您还在吗？",
    kioskStillMore: "{seconds} 秒后清空屏幕上的对话。",
    kioskHere: "我还在",
    kioskOff: "正在连接，请稍等……",
    greetingMore: "点一个问题，或者自己输入。离开时请点“结束对话”，屏幕会马上清空。",
  },
  en: {
    kioskHello: "Hello. How can I help you?",
    kioskBegin: "Touch the screen to ask",
    kioskBeginHere: "Touch here for English",
    kioskTop: "Customer service",
    kioskEnd: "End",
    kioskStill: "Are you still there?",
    kioskStillMore: "The conversation on this screen is cleared in {seconds} s.",
    kioskHere: "I am here",
    kioskOff: "Connecting, one moment…",
    greetingMore: "Press a question, or type your own. Press “End” when you leave: the screen is cleared at once.",
  },
});
