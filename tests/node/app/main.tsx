// A site made from Vite's template for React and TypeScript, with the hook in one component. The browser
// tests control it through `window.shop`.

import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { connectZendesk, type ChatIdentityError, type Session, type ZendeskWidget } from "chat-identity";
import { useChatIdentity } from "chat-identity/react";

declare global {
  interface Window {
    zE?: ZendeskWidget;
    shop: {
      setUser(user: string | null): void;
      setShown(isShown: boolean): void;
      render(): void;
      errors: string[];
      sessions: string[];
      /** The ID token of this user is held until this is another user or null. */
      holdsIdTokenOf: string | null;
      /** The user who logged in at the site without a rendering. */
      becomes: string | null;
      controller: AbortController;
      connectZendesk: typeof connectZendesk;
    };
  }
}

const endpoint = location.origin;
const errors: string[] = [];
const sessions: string[] = [];
const controller = new AbortController();

async function idTokenOf(user: string) {
  while (window.shop.holdsIdTokenOf === user) await new Promise((resolve) => setTimeout(resolve, 50));
  return `id-${window.shop.becomes ?? user}`;
}

function Chat({ user }: { user: string | null }) {
  // Made for each rendering, as on most sites.
  const onError = (error: ChatIdentityError) => errors.push(error.code);
  const onSession = (session: Session) => sessions.push(session.externalId);
  const options = user && window.zE ? { endpoint, zE: window.zE, getIdpToken: () => idTokenOf(user), onError, onSession, signal: controller.signal } : null;
  const { session, error } = useChatIdentity(options);
  return <output>{error?.code ?? session?.externalId ?? "no one"}</output>;
}

function Shop() {
  const [user, setUser] = useState<string | null>(null);
  const [isShown, setShown] = useState(true);
  const [, setCount] = useState(0);
  const { holdsIdTokenOf = null, becomes = null } = window.shop ?? {};
  window.shop = { holdsIdTokenOf, becomes, setUser, setShown, render: () => setCount((count) => count + 1), errors, sessions, controller, connectZendesk };
  return <main>{isShown && <Chat user={user} />}</main>;
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Shop />
  </StrictMode>,
);
