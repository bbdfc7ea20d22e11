import { ApolloProvider } from "@apollo/client/react";
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { openApi } from "../api/client.ts";
import { SignIn } from "./sign-in.tsx";
import { readClaims, storedToken, type TokenClaims } from "./token.ts";

export interface Session {
  readonly token: string;
  readonly claims: TokenClaims;
  /** The reason is shown where one signs in. */
  signOut(reason?: string): void;
}

const SessionContext = createContext<Session | undefined>(undefined);

/** The session of whoever is signed in. Only for what is drawn inside `SessionGate`. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) throw new TypeError("useSession outside SessionGate");
  return session;
}

/** Longest delay a timer takes: 2^31 − 1 ms. */
const timerMsMax = 2_147_000_000;

/** Draws its children for a signed-in person, and the sign-in for everyone else. */
export function SessionGate({ children }: { readonly children: ReactNode }): ReactNode {
  const [token, setToken] = useState(storedToken.read);
  const [reason, setReason] = useState<string>();
  const claims = useMemo(() => (token === undefined ? undefined : readClaims(token)), [token]);

  const signOut = useCallback((why?: string) => {
    storedToken.clear();
    setReason(why);
    setToken(undefined);
  }, []);
  const signIn = useCallback((next: string) => {
    storedToken.write(next);
    setReason(undefined);
    setToken(next);
  }, []);

  const client = useMemo(() => (token === undefined ? undefined : openApi(token, (fault) => signOut(`${fault.code}: ${fault.message}`))), [token, signOut]);
  useEffect(() => {
    if (claims === undefined) return;
    const timer = setTimeout(() => signOut("The token has expired. Sign in with a new one"), Math.min(Math.max(0, claims.expiresAt - Date.now()), timerMsMax));
    return () => clearTimeout(timer);
  }, [claims, signOut]);

  const session = useMemo(() => (token === undefined || claims === undefined ? undefined : { token, claims, signOut }), [token, claims, signOut]);
  if (session === undefined || client === undefined) return <SignIn reason={reason} onSignIn={signIn} />;
  return (
    <SessionContext value={session}>
      <ApolloProvider client={client}>{children}</ApolloProvider>
    </SessionContext>
  );
}
