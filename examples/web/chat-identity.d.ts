/**
 * The browser side of chat-identity. It logs the users of a site in to its chat, and writes no token to
 * storage, to a URL or to the console.
 * @module
 */
export type Session = import("./types.js").Session;
export type Puzzel = import("./types.js").Puzzel;
export type PuzzelOptions = import("./types.js").PuzzelOptions;
export type SmoochOptions = import("./types.js").SmoochOptions;
export type SmoochWidget = import("./types.js").SmoochWidget;
export type ZendeskOptions = import("./types.js").ZendeskOptions;
export type ZendeskWidget = import("./types.js").ZendeskWidget;
/** `code` is stable, `message` is advice, and `cause` is the original error. None contains a token. */
export declare class ChatIdentityError extends Error {
    code: string;
    /** The HTTP status; 0 if there was no response. */
    status: number;
    /** Seconds to wait before a retry; 0 if unknown. */
    retryAfter: number;
    /** @param {string} code @param {string} [message] @param {{ status?: number, retryAfter?: number, cause?: unknown }} [more] */
    constructor(code: string, message?: string, { status, retryAfter, cause }?: {
        status?: number;
        retryAfter?: number;
        cause?: unknown;
    });
}
/** Logs in to Zendesk messaging (the web widget), and ends the previous session. @param {ZendeskOptions} options @returns {Promise<Session>} */
export declare function connectZendesk(options: ZendeskOptions): Promise<Session>;
/** Logs in with the legacy SDK (the Web Messenger), and ends the previous session. @param {SmoochOptions} options @returns {Promise<Session>} */
export declare function connectSmooch(options: SmoochOptions): Promise<Session>;
/** Returns the calls that identify a user at Puzzel. @param {PuzzelOptions} options @returns {Puzzel} */
export declare function connectPuzzel(options: PuzzelOptions): Puzzel;
