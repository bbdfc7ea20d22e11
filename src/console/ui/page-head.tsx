import { useEffect, useRef, type ReactNode } from "react";

/** A page's heading. It takes the focus when the page is opened, as a page that was loaded would. */
export function PageHead({ title, children }: { readonly title: string; readonly children?: ReactNode }): ReactNode {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Bulkhead`;
    heading.current?.focus({ preventScroll: true });
  }, [title]);
  return (
    <div className="page-head">
      <h1 ref={heading} tabIndex={-1}>{title}</h1>
      {children !== undefined && <div className="page-tools">{children}</div>}
    </div>
  );
}
