import { useEffect, useRef, type ReactNode } from "react";
import { wasNavigatedTo } from "../shell/router.tsx";

/** A page's heading. It takes the focus when one comes from another page; a page that was loaded begins at the skip link. */
export function PageHead({ title, children }: { readonly title: string; readonly children?: ReactNode }): ReactNode {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Bulkhead`;
    if (wasNavigatedTo()) heading.current?.focus({ preventScroll: true });
  }, [title]);
  return (
    <div className="page-head">
      <h1 ref={heading} tabIndex={-1}>{title}</h1>
      {children !== undefined && <div className="page-tools">{children}</div>}
    </div>
  );
}
