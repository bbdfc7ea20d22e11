import { useEffect, useId, useRef, type ReactNode } from "react";

/** Beside the page, over it on narrow screens. Escape closes it, and the focus goes back to where it came from. */
export function SidePanel({ title, onClose, children }: { readonly title: string; readonly onClose: () => void; readonly children: ReactNode }): ReactNode {
  const heading = useRef<HTMLHeadingElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    heading.current?.focus();
    const close = (event: KeyboardEvent): void => {
      if (event.key === "Escape") onClose();
    };
    document.addEventListener("keydown", close);
    return () => {
      document.removeEventListener("keydown", close);
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [onClose]);
  return (
    <aside className="side-panel" aria-labelledby={id}>
      <div className="side-panel-head">
        <h2 id={id} ref={heading} tabIndex={-1}>{title}</h2>
        <button type="button" className="button button-small" onClick={onClose}>Close</button>
      </div>
      <div className="side-panel-body" tabIndex={0} role="group" aria-label="Content">{children}</div>
    </aside>
  );
}
