export type ZendeskOptions = import("./types.js").ZendeskOptions;
export type Session = import("./types.js").Session;
export type ChatIdentityError = import("./chat-identity.js").ChatIdentityError;
export type ChatIdentity = {
    session: Session | null;
    error: ChatIdentityError | null;
};
/**
 * Logs the site's user in to Zendesk messaging, and out again with `null`. A component that goes away
 * ends a login under way; a finished session stays.
 * @param {ZendeskOptions | null} options those of `connectZendesk`. They may be made for each rendering:
 *   it logs in again if `zE` or `endpoint` changes, or if a new `getIdpToken` gives another user's token.
 * @returns {ChatIdentity}
 */
export declare function useChatIdentity(options: ZendeskOptions | null): ChatIdentity;
