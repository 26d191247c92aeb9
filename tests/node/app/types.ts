// Tests of the types: `tsc` passes only if every marked line has an error, and no other line has one.

import { ChatIdentityError, connectPuzzel, connectSmooch, connectZendesk } from "chat-identity";
import type { Session, SmoochWidget, ZendeskOptions, ZendeskWidget } from "chat-identity";
import { useChatIdentity } from "chat-identity/react";

const endpoint = "https://chat-api.example.com";
declare const zE: ZendeskWidget;
declare const Smooch: SmoochWidget;

// The declarations that sites already have.
declare const anyZE: (...call: any[]) => void;
declare const commandZE: (area: string, command: string, ...more: unknown[]) => void;
export const fits: ZendeskOptions[] = [
  { endpoint, zE },
  { endpoint, zE: anyZE },
  { endpoint, zE: commandZE },
  { endpoint, zE, getIdpToken: () => "a token" },
  { endpoint, zE, getIdpToken: async () => undefined },
  { endpoint, zE, getIdpToken: async (how) => (how?.fresh ? "a new token" : null) },
  { endpoint, zE, getIdpToken: undefined, signal: undefined, onError: undefined },
  { endpoint, zE, signal: new AbortController().signal, onError: (error) => error.code.toUpperCase() },
  { endpoint, zE, onSession: (session) => session.outcome.toUpperCase() },
];

export async function results(): Promise<string> {
  const session: Session = await connectZendesk({ endpoint, zE });
  const outcome: "with_email" | "without_email" | "no_email" = session.outcome;
  const left: Promise<void> = session.logout();
  await left;
  const id: string | undefined = session.conflict?.conflictId;
  const seconds: number | undefined = session.reportError?.retryAfter;
  const legacy: Session = await connectSmooch({ endpoint, Smooch, delegate: { beforeSend: () => {} } });
  const puzzel = connectPuzzel({ endpoint, tokenKind: "idToken", providerId: 1, visitorToken: "v" });
  const { userInfoId, codeVerifier }: { userInfoId: string; codeVerifier: string } = await puzzel.exchange();
  const nothing: void = await puzzel.setIdentity("c");
  return [outcome, id, seconds, legacy.externalId, userInfoId, codeVerifier, nothing].join();
}

export function Hook() {
  const { session, error } = useChatIdentity(null);
  const both: [Session | null, ChatIdentityError | null] = [session, error];
  useChatIdentity({ endpoint, zE });
  return both;
}

// @ts-expect-error: no endpoint
connectZendesk({ zE });
// @ts-expect-error: no widget
connectZendesk({ endpoint });
// @ts-expect-error: a token in place of a function
connectZendesk({ endpoint, zE, getIdpToken: "eyJ" });
// @ts-expect-error: a number is not a token
connectZendesk({ endpoint, zE, getIdpToken: () => 7 });
// @ts-expect-error: an option that does not exist
connectZendesk({ endpoint, zE, retries: 4 });
// @ts-expect-error: the controller in place of its signal
connectZendesk({ endpoint, zE, signal: new AbortController() });
// @ts-expect-error: the wrong SDK
connectSmooch({ endpoint, Smooch: zE });
// @ts-expect-error: no such kind
connectPuzzel({ endpoint, tokenKind: "refreshToken" });
// @ts-expect-error: no options
connectPuzzel();
// @ts-expect-error: undefined is not null
useChatIdentity(undefined);
