/**
 * The texts of the history in the console's settings tab in every language, laid over its own.
 *
 * It chooses none. The rule that must not break: the keys and the `{name}`s are the same in both.
 */
export const HISTORY = Object.freeze({
  zh: {
    partHistory: "变更记录",
    changesHint: "账号、密钥、对外通知和常用语的变更：谁、什么时候、前后各是什么。密码、密钥和签名密钥从不显示。",
    changesNone: "还没有变更。",
    changeWhat: "什么",
    changeBefore: "之前",
    changeAfter: "之后",
    changeBack: "恢复",
    changeUnread: "已无法读取",
    change_account_made: "新账号",
    change_account_changed: "角色或密码",
    change_account_removed: "移除账号",
    change_key_made: "新密钥",
    change_key_removed: "吊销密钥",
    change_webhook_made: "添加对外通知",
    change_webhook_removed: "移除对外通知",
    change_replies_changed: "常用语",
    instead_account_made: "可在“账号”里移除",
    instead_key_made: "可在“密钥”里吊销",
    instead_webhook_made: "可在“对外通知”里移除",
  },
  en: {
    partHistory: "History",
    changesHint: "Changes of accounts, keys, other systems and canned replies: who, when, before and after. No password, key or secret is ever shown.",
    changesNone: "Nothing was changed yet.",
    changeWhat: "What",
    changeBefore: "Before",
    changeAfter: "After",
    changeBack: "Put back",
    changeUnread: "can be read no more",
    change_account_made: "new account",
    change_account_changed: "role or password",
    change_account_removed: "account removed",
    change_key_made: "new key",
    change_key_removed: "key revoked",
    change_webhook_made: "other system added",
    change_webhook_removed: "other system removed",
    change_replies_changed: "canned replies",
    instead_account_made: "remove it under Accounts",
    instead_key_made: "revoke it under API keys",
    instead_webhook_made: "remove it under Other systems",
  },
});
