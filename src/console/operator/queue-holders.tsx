import type { ReactNode } from "react";
import type { HolderPartsFragment } from "../generated/operations.ts";
import { formatMs, formatWord } from "../ui/format.ts";
import { Meter } from "../ui/meter.tsx";

/** Whose work held the slots while others waited. */
export function Holders({ holders }: { readonly holders: readonly HolderPartsFragment[] }): ReactNode {
  return (
    <div className="holders">
      <h3>The queue was held by</h3>
      {holders.map(({ tenant, work, share, ms }) => (
        <Meter key={`${tenant?.id ?? ""} ${work}`} kind="progress" label={`${tenant?.name ?? "the platform"}, ${formatWord(work).toLowerCase()}`} share={share} text={`${Math.round(share * 100)} %, ${formatMs(ms)}`} />
      ))}
    </div>
  );
}
