/**
 * The texts of what a customer sees of the staff, to be laid over the page's own.
 *
 * They are loaded when a hand-over begins. The rule that must not break: every key is there in both
 * languages.
 */
export const STAFF_WORDS = Object.freeze({
  zh: {
    handoffWaiting: "已经记下您想找店员。等的时候可以接着提问。",
    handoffPlace: "您排在第 {place} 位。",
    handoffHuman: "店员正在和您对话。",
    handoffName: "店员 {name} 正在和您对话。",
    handoffClosed: "转人工已结束，接下来由小助回答。",
    handoffFailed: "没能转达，请再试一次。",
    takeBack: "取消转人工",
    leaveContact: "留个联系方式",
    contactLabel: "留个电话或邮箱，店员会联系您",
    contactPlaceholder: "电话或邮箱",
    contactSend: "留下",
    contactKept: "记下了，店员会联系您。",
    staffTypes: "店员正在输入…",
    ratingAsk: "这次服务怎么样？",
    ratingStars: "{count} 星（最高 5 星）",
    ratingComment: "想补充一句吗？（可不填）",
    ratingSend: "发送",
  },
  en: {
    handoffWaiting: "Noted: you would like a person. You can ask on while you wait.",
    handoffPlace: "You are number {place} in the line.",
    handoffHuman: "You are talking with the staff.",
    handoffName: "You are talking with {name} of the staff.",
    handoffClosed: "The talk with a person has ended; Helper answers from here.",
    handoffFailed: "This did not get through. Please try again.",
    takeBack: "Cancel request",
    leaveContact: "Leave a contact",
    contactLabel: "Leave a phone number or e-mail; the staff will get back to you",
    contactPlaceholder: "Phone or e-mail",
    contactSend: "Leave it",
    contactKept: "Noted; the staff will get back to you.",
    staffTypes: "The staff is typing…",
    ratingAsk: "How was this service?",
    ratingStars: "{count} of 5 stars",
    ratingComment: "Anything to add? (optional)",
    ratingSend: "Send",
  },
});
