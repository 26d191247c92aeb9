export type ZendeskOptions = import("./types.js").ZendeskOptions;
export type Session = import("./types.js").Session;
export type ChatIdentityError = import("./chat-identity.js").ChatIdentityError;
export type ChatIdentity = {
    session: Session | null;
    error: ChatIdentityError | null;
};
/**
 * Logs the site's user in to Zendesk messaging; `null` logs the user out. If the component unmounts, a
 * login under way ends; a finished session stays.
 * @param {ZendeskOptions | null} options the options of `connectZendesk`. They may be made for each rendering:
 *   the hook logs in again if `zE` or `endpoint` changes, or if a new `getIdpToken` returns another user's token.
 * @returns {ChatIdentity}
 */
export declare function useChatIdentity(options: ZendeskOptions | null): ChatIdentity;
