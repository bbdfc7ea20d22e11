import { useQuery } from "@apollo/client/react";
import { useState, type ReactNode } from "react";
import { TenantsDocument, type TenantState, type Tier } from "../generated/operations.ts";
import { Link, navigate } from "../shell/router.tsx";
import { Badge, StateBadge } from "../ui/badge.tsx";
import { formatMoment, formatWord } from "../ui/format.ts";
import { Empty, FaultNotice, Skeleton } from "../ui/notices.tsx";
import { PageHead } from "../ui/page-head.tsx";
import { Pager, usePaging } from "../ui/pager.tsx";
import { CreateTenantDialog } from "./create-tenant-dialog.tsx";
import { tiers } from "./tiers.ts";
import { TableBox } from "../ui/table-box.tsx";

const states: readonly TenantState[] = ["ACTIVE", "SUSPENDED", "ERASING", "ERASED"];

export function TenantsPage(): ReactNode {
  const paging = usePaging();
  const [tier, setTier] = useState<Tier | "">("");
  const [state, setState] = useState<TenantState | "">("");
  const [creating, setCreating] = useState(false);
  const filter = { ...(tier === "" ? {} : { tiers: [tier] }), ...(state === "" ? {} : { states: [state] }) };
  const { data, previousData, error, refetch } = useQuery(TenantsDocument, { variables: { first: 25, after: paging.after, filter } });
  const page = (data ?? previousData)?.tenants;
  return (
    <>
      <PageHead title="Tenants">
        <button type="button" className="button button-primary button-small" onClick={() => setCreating(true)}>Add a tenant</button>
      </PageHead>
      <form className="filters" role="search" aria-label="Tenants" onSubmit={(event) => event.preventDefault()}>
        <label>
          Tier{" "}
          <select value={tier} onChange={(event) => { setTier(tiers.find((known) => known === event.target.value) ?? ""); paging.reset(); }}>
            <option value="">Any</option>
            {tiers.map((known) => <option key={known} value={known}>{formatWord(known)}</option>)}
          </select>
        </label>
        <label>
          State{" "}
          <select value={state} onChange={(event) => { setState(states.find((known) => known === event.target.value) ?? ""); paging.reset(); }}>
            <option value="">Any</option>
            {states.map((known) => <option key={known} value={known}>{formatWord(known)}</option>)}
          </select>
        </label>
      </form>
      {error !== undefined && <FaultNotice error={error} onRetry={() => void refetch()} />}
      {page == null && error === undefined && <Skeleton lines={8} label="Loading tenants" />}
      {page != null && page.nodes.length === 0 && <Empty title="No tenant here"><p>Add one, or ask for another tier or state above.</p></Empty>}
      {page != null && page.nodes.length > 0 && (
        <TableBox label="Tenants">
          <table className="table table-cards">
            <caption className="visually-hidden">Tenants</caption>
            <thead>
              <tr><th scope="col">Tenant</th><th scope="col">Tier</th><th scope="col">State</th><th scope="col">Placement</th><th scope="col">Last move</th><th scope="col">Since</th></tr>
            </thead>
            <tbody>
              {page.nodes.map((tenant) => (
                <tr key={tenant.id}>
                  <th scope="row" className="cell-wide"><Link to={`/tenants/${tenant.id}`}>{tenant.name}</Link> <span className="muted mono">{tenant.id}</span></th>
                  <td data-label="Tier">{formatWord(tenant.tier)}</td>
                  <td data-label="State"><StateBadge state={tenant.state} /></td>
                  <td data-label="Placement">{tenant.placement === "MOVING" ? <StateBadge state="MOVING" /> : <Badge>{formatWord(tenant.placement)}</Badge>}</td>
                  <td data-label="Last move">{tenant.latestMove == null ? <span className="muted">none</span> : <StateBadge state={tenant.latestMove.phase} />}</td>
                  <td data-label="Since">{formatMoment(tenant.createdAt)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableBox>
      )}
      {page != null && <Pager paging={paging} info={page.pageInfo} />}
      {creating && <CreateTenantDialog onClose={() => setCreating(false)} onCreated={(id) => { setCreating(false); void refetch(); navigate(`/tenants/${id}`); }} />}
    </>
  );
}
