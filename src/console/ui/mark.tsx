import type { ReactNode } from "react";

/** Three bulkheads. Colour alone would not show on every background, so it has its own. */
export function Mark(): ReactNode {
  return (
    <svg className="mark" viewBox="0 0 24 24" aria-hidden="true">
      <rect width="24" height="24" rx="5" />
      <path d="M5 6h3.2v12H5zm5.4 0h3.2v12h-3.2zm5.4 0H19v12h-3.2z" />
    </svg>
  );
}
