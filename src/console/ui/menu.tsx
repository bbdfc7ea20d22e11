import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from "react";

export interface MenuAction {
  readonly label: string;
  readonly danger?: boolean;
  readonly onPick: () => void;
}

/** A button with a menu, by the keys of the ARIA practices: arrows, Home and End rove, Escape closes. */
export function Menu({ label, actions }: { readonly label: string; readonly actions: readonly MenuAction[] }): ReactNode {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const items = (): HTMLElement[] => [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];

  useEffect(() => {
    if (!open) return;
    items()[0]?.focus();
    const closeOutside = (event: PointerEvent): void => {
      if (event.target instanceof Node && box.current?.contains(event.target) !== true) setOpen(false);
    };
    document.addEventListener("pointerdown", closeOutside);
    return () => document.removeEventListener("pointerdown", closeOutside);
  }, [open]);

  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  const rove = (event: KeyboardEvent): void => {
    const all = items();
    const at = all.findIndex((item) => item === document.activeElement);
    const next: Readonly<Record<string, number>> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 };
    const to = next[event.key];
    if (event.key === "Escape") close();
    else if (event.key === "Tab") setOpen(false);
    else if (to !== undefined) all.at(to % all.length)?.focus();
    if (event.key === "Escape" || to !== undefined) event.preventDefault();
  };

  return (
    <div className="menu" ref={box}>
      <button ref={button} type="button" className="button button-small" aria-haspopup="menu" aria-expanded={open} aria-controls={open ? id : undefined} onClick={() => setOpen(!open)}>{label}</button>
      {open && (
        <div id={id} role="menu" aria-label={label} className="menu-list" onKeyDown={rove}>
          {actions.map((action) => (
            <button key={action.label} type="button" role="menuitem" tabIndex={-1} className={action.danger === true ? "menu-item menu-danger" : "menu-item"} onClick={() => { close(); action.onPick(); }}>{action.label}</button>
          ))}
        </div>
      )}
    </div>
  );
}
