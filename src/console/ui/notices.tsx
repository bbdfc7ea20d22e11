import type { ReactNode } from "react";
import { faultOf, type Fault } from "../api/fault.ts";

/** What went wrong, in the server's words, with what to name when asking for help. */
export function FaultNotice({ error, onRetry }: { readonly error: unknown; readonly onRetry?: () => void }): ReactNode {
  return <FaultBox fault={faultOf(error)} onRetry={onRetry} />;
}

export function FaultBox({ fault, onRetry }: { readonly fault: Fault; readonly onRetry?: () => void }): ReactNode {
  return (
    <div className="notice notice-error" role="alert">
      <p>
        <code className="code">{fault.code}</code> {fault.message}
        {fault.limit !== undefined && <> (limit: <code>{fault.limit}</code>)</>}
      </p>
      {fault.requestId !== undefined && <p className="hint">Request <code>{fault.requestId}</code></p>}
      {onRetry !== undefined && <button type="button" className="button button-small" onClick={onRetry}>Try again</button>}
    </div>
  );
}

/** Nothing here yet, and what to do about it. */
export function Empty({ title, children }: { readonly title: string; readonly children: ReactNode }): ReactNode {
  return (
    <div className="empty">
      <h2>{title}</h2>
      <div>{children}</div>
    </div>
  );
}

/** In the place of what is on its way. */
export function Skeleton({ lines = 4, label = "Loading" }: { readonly lines?: number; readonly label?: string }): ReactNode {
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, line) => <span key={line} className="skeleton-line" />)}
    </div>
  );
}
