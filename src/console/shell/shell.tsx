import { useEffect, useState, type ReactNode } from "react";
import { useSession } from "../session/session.tsx";
import { formatLeft } from "../ui/format.ts";
import { Mark } from "../ui/mark.tsx";
import { useNow } from "../ui/use-now.ts";
import { Link, usePath } from "./router.tsx";
import { useTheme } from "./theme.ts";

export interface NavItem {
  readonly to: string;
  readonly label: string;
}

interface ShellProps {
  readonly pages: readonly NavItem[];
  readonly who: { readonly name: string; readonly detail: string };
  readonly children: ReactNode;
}

/** Header, navigation and the page. On narrow screens the navigation is behind a button. */
export function Shell({ pages, who, children }: ShellProps): ReactNode {
  const path = usePath();
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (!open) return;
    const close = (event: KeyboardEvent): void => {
      if (event.key === "Escape") setOpen(false);
    };
    document.addEventListener("keydown", close);
    return () => document.removeEventListener("keydown", close);
  }, [open]);
  const isCurrent = ({ to }: NavItem): boolean => path === to || path.startsWith(`${to}/`) || (path === "/" && to === pages[0]?.to);
  return (
    <div className="shell">
      <a className="skip" href="#main">Skip to the page</a>
      <header className="top">
        <button type="button" className="button button-small nav-button" aria-expanded={open} aria-controls="nav" onClick={() => setOpen(!open)}>Menu</button>
        <span className="brand"><Mark /> <span className="brand-name">Bulkhead</span></span>
        <span className="who">
          <strong>{who.name}</strong> <span className="muted who-detail">{who.detail}</span>
        </span>
        <SessionTools />
      </header>
      <nav id="nav" className={open ? "nav nav-open" : "nav"} aria-label="Pages of the console">
        <ul>
          {pages.map((page) => (
            <li key={page.to}>
              <Link to={page.to} current={isCurrent(page)} className="nav-link" onFollow={() => setOpen(false)}>{page.label}</Link>
            </li>
          ))}
        </ul>
      </nav>
      <main id="main" className="main" tabIndex={-1}>{children}</main>
    </div>
  );
}

/** An hour before the end is soon enough to fetch a new token. */
const soonMs = 3_600_000;

function SessionTools(): ReactNode {
  const { claims, signOut } = useSession();
  const [theme, choose] = useTheme();
  const left = claims.expiresAt - useNow(1_000);
  return (
    <span className="tools">
      <span className={left < soonMs ? "expiry expiry-soon" : "expiry muted"} title={`Signed in as ${claims.user}, until ${new Date(claims.expiresAt).toLocaleString()}`}>
        <span className="expiry-word">Token: </span>{formatLeft(left)}
      </span>
      <button type="button" className="button button-small" aria-label={theme === "dark" ? "Light mode" : "Dark mode"} onClick={() => choose(theme === "dark" ? "light" : "dark")}>
        {theme === "dark" ? "Light" : "Dark"}
      </button>
      <button type="button" className="button button-small" onClick={() => signOut()}>Sign out</button>
    </span>
  );
}
