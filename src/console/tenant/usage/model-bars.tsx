import type { ReactNode } from "react";
import type { UsageQuery } from "../../generated/operations.ts";
import { formatCompact, formatCount } from "../../ui/format.ts";
import { Meter } from "../../ui/meter.tsx";

type Group = NonNullable<UsageQuery["byModel"]>["groups"][number];

/** Each model's part of the cost; of the tokens where nothing cost anything. */
export function ModelBars({ groups }: { readonly groups: readonly Group[] }): ReactNode {
  const isFree = groups.every(({ total }) => total.costMicroUsd === 0);
  const sizeOf = ({ total }: Group): number => (isFree ? total.promptTokens + total.completionTokens : total.costMicroUsd);
  const sum = Math.max(1, groups.reduce((all, group) => all + sizeOf(group), 0));
  return (
    <section className="panel">
      <h2>By model</h2>
      {groups.map((group) => (
        <Meter key={group.key} kind="progress" label={group.key} share={sizeOf(group) / sum} text={`${group.total.cost} · ${formatCount(group.total.calls)} calls · ${formatCompact(group.total.promptTokens + group.total.completionTokens)} tokens`} />
      ))}
    </section>
  );
}
