import { useSyncExternalStore, type MouseEvent, type ReactNode } from "react";

const base = "/console";
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

let navigations = 0;
window.addEventListener("popstate", () => (navigations += 1));

/** Whether the page that is shown was reached from another one, not loaded. */
export function wasNavigatedTo(): boolean {
  return navigations > 0;
}

function readPath(): string {
  return location.pathname.slice(base.length).replace(/\/+$/, "") || "/";
}

/** The page that is shown, without `/console`: `/documents`, `/chat/cnv_…`. */
export function usePath(): string {
  return useSyncExternalStore(subscribe, readPath);
}

export function navigate(path: string, { replace = false } = {}): void {
  navigations += 1;
  if (replace) history.replaceState(null, "", base + path);
  else history.pushState(null, "", base + path);
  for (const listener of listeners) listener();
}

/** The part of the path after `prefix/`, decoded. */
export function partAfter(path: string, prefix: string): string | undefined {
  const part = path.startsWith(`${prefix}/`) ? path.slice(prefix.length + 1) : "";
  return part === "" ? undefined : decodeURIComponent(part);
}

interface LinkProps {
  readonly to: string;
  readonly children: ReactNode;
  readonly className?: string;
  readonly current?: boolean;
  readonly onFollow?: () => void;
}

/** A link of the page itself. With a modifier key it is the browser's, as everywhere. */
export function Link({ to, children, className, current = false, onFollow }: LinkProps): ReactNode {
  const follow = (event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0) return;
    event.preventDefault();
    navigate(to);
    onFollow?.();
  };
  return (
    <a href={base + to} className={className} aria-current={current ? "page" : undefined} onClick={follow}>
      {children}
    </a>
  );
}
