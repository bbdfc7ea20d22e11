import { useEffect, useId, useState, type FormEvent, type ReactNode } from "react";
import { Mark } from "../ui/mark.tsx";
import { readClaims } from "./token.ts";

interface DemoToken {
  readonly who: string;
  readonly token: string;
}

/** Where a token is pasted; in development on this machine, where one is picked. */
export function SignIn({ reason, onSignIn }: { readonly reason?: string; readonly onSignIn: (token: string) => void }): ReactNode {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string>();
  const demo = useDemoTokens();
  const id = useId();

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    // Copied out of a header, it brings the scheme along.
    const token = text.trim().replace(/^bearer\s+/i, "");
    const claims = readClaims(token);
    if (claims === undefined) return setProblem("This is not a token: expected three parts with dots between them, and an expiry");
    if (claims.expiresAt <= Date.now()) return setProblem(`This token expired at ${new Date(claims.expiresAt).toLocaleString()}`);
    onSignIn(token);
  };

  return (
    <main className="sign-in">
      <div className="sign-in-card">
        <h1 className="brand">
          <Mark /> Bulkhead console
        </h1>
        {reason !== undefined && <p className="notice notice-warn" role="alert">{reason}</p>}
        <form onSubmit={submit}>
          <label htmlFor={id}>Token</label>
          <textarea id={id} className="mono" rows={4} value={text} spellCheck={false} autoComplete="off" required aria-invalid={problem !== undefined} aria-describedby={`${id}-hint`} onChange={(event) => { setText(event.target.value); setProblem(undefined); }} />
          <p id={`${id}-hint`} className={problem === undefined ? "hint" : "hint hint-error"} role={problem === undefined ? undefined : "alert"}>
            {problem ?? "Kept in this tab alone, and gone when it closes."}
          </p>
          <button type="submit" className="button button-primary">Sign in</button>
        </form>
        {demo.length > 0 && (
          <section aria-labelledby={`${id}-demo`}>
            <h2 id={`${id}-demo`}>Development: sign in as</h2>
            <ul className="pick-list">
              {demo.map(({ who, token }) => (
                <li key={who}>
                  <button type="button" className="button" onClick={() => onSignIn(token)}>{who}</button>
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
    </main>
  );
}

/** None in production and from another machine, where the server answers 404. */
function useDemoTokens(): readonly DemoToken[] {
  const [tokens, setTokens] = useState<readonly DemoToken[]>([]);
  useEffect(() => {
    // The page says which server it came from, so that production is not asked for what it does not have.
    if (!["localhost", "127.0.0.1", "[::1]"].includes(location.hostname)) return;
    const gone = new AbortController();
    fetch("/console/demo-tokens.json", { signal: gone.signal })
      .then((response) => (response.ok ? (response.json() as Promise<{ tokens: readonly DemoToken[] }>) : { tokens: [] }))
      .then(({ tokens: found }) => setTokens(found))
      // Pasting a token works without; a page that is left asks no more.
      .catch((error: unknown) => { if (!gone.signal.aborted) console.warn("No development tokens", error); });
    return () => gone.abort();
  }, []);
  return tokens;
}
