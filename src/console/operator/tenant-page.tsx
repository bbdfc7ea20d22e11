import { useMutation, useQuery } from "@apollo/client/react";
import { useState, type ReactNode } from "react";
import { ChangeTierDocument, ReactivateTenantDocument, SuspendTenantDocument, TenantDocument, type TenantQuery, type Tier } from "../generated/operations.ts";
import { Link } from "../shell/router.tsx";
import { StateBadge } from "../ui/badge.tsx";
import { Confirm } from "../ui/dialog.tsx";
import { formatMoment, formatWord } from "../ui/format.ts";
import { Menu } from "../ui/menu.tsx";
import { FaultNotice, Skeleton } from "../ui/notices.tsx";
import { PageHead } from "../ui/page-head.tsx";
import { EraseDialog } from "./erase-dialog.tsx";
import { Receipt } from "./erasure-receipt.tsx";
import { MoveView } from "./move-view.tsx";
import { tiers } from "./tiers.ts";

type Tenant = NonNullable<TenantQuery["tenant"]>;

export function TenantPage({ id }: { readonly id: string }): ReactNode {
  const { data, error, refetch } = useQuery(TenantDocument, { variables: { id } });
  const tenant = data?.tenant;
  return (
    <>
      <PageHead title={tenant?.name ?? id}>
        <Link to="/tenants" className="button button-small">All tenants</Link>
        {tenant != null && tenant.state !== "ERASED" && <TenantActions tenant={tenant} onChanged={() => void refetch()} />}
      </PageHead>
      {error !== undefined && tenant == null && <FaultNotice error={error} onRetry={() => void refetch()} />}
      {error === undefined && tenant == null && <Skeleton lines={6} label="Loading the tenant" />}
      {tenant != null && (
        <>
          <dl className="figures">
            <div><dt>Id</dt><dd className="mono">{tenant.id}</dd></div>
            <div><dt>State</dt><dd><StateBadge state={tenant.state} /></dd></div>
            <div><dt>Tier</dt><dd>{formatWord(tenant.tier)}</dd></div>
            <div><dt>Placement</dt><dd><StateBadge state={tenant.placement} />{tenant.placementOverride != null && <span className="hint"> kept in {tenant.placementOverride}</span>}</dd></div>
            <div><dt>Home number</dt><dd>{tenant.placementEpoch}</dd></div>
            <div><dt>Credential</dt><dd>{tenant.isolation == null ? "shared pool" : formatWord(tenant.isolation.credential)}</dd></div>
            {tenant.isolation != null && <div><dt>Key version</dt><dd>{tenant.isolation.keyVersion}</dd></div>}
            <div><dt>Since</dt><dd>{formatMoment(tenant.createdAt)}</dd></div>
          </dl>
          {tenant.latestMove != null && <MoveView move={tenant.latestMove} onEnded={() => void refetch()} />}
          {tenant.latestMove == null && <p className="hint">This tenant has never moved. Another tier with another home moves it.</p>}
          {tenant.erasure != null && <Receipt receipt={tenant.erasure} />}
        </>
      )}
    </>
  );
}

type Asking = { readonly kind: "TIER"; readonly tier: Tier } | { readonly kind: "SUSPEND" } | { readonly kind: "ERASE" };

function TenantActions({ tenant, onChanged }: { readonly tenant: Tenant; readonly onChanged: () => void }): ReactNode {
  const [asking, setAsking] = useState<Asking>();
  const done = (): void => {
    setAsking(undefined);
    onChanged();
  };
  const handlers = { onCompleted: done, onError: () => {} };
  const [changeTier, tierChange] = useMutation(ChangeTierDocument, handlers);
  const [suspend, suspension] = useMutation(SuspendTenantDocument, handlers);
  const [reactivate, reactivation] = useMutation(ReactivateTenantDocument, handlers);
  const input = { tenantId: tenant.id };
  const close = (): void => setAsking(undefined);
  const actions = [
    ...tiers.map((tier) => ({ label: tier === tenant.tier ? `${formatWord(tier)} again` : `Change to ${formatWord(tier)}`, onPick: () => setAsking({ kind: "TIER", tier }) })),
    tenant.state === "SUSPENDED"
      ? { label: "Reactivate", onPick: () => void reactivate({ variables: { input } }) }
      : { label: "Suspend …", onPick: () => setAsking({ kind: "SUSPEND" }) },
    { label: "Erase …", danger: true, onPick: () => setAsking({ kind: "ERASE" }) },
  ];
  return (
    <>
      <Menu label="Actions" actions={actions} />
      {reactivation.error !== undefined && <FaultNotice error={reactivation.error} />}
      {asking?.kind === "TIER" && (
        <Confirm title={`Change to ${formatWord(asking.tier)}`} action="Change tier" busy={tierChange.loading} onClose={close} onConfirm={() => void changeTier({ variables: { input: { ...input, tier: asking.tier } } })}>
          <p>New limits hold at once. If the tier has another home, {tenant.name} moves there; its reads and writes go on.</p>
          {tierChange.error !== undefined && <FaultNotice error={tierChange.error} />}
        </Confirm>
      )}
      {asking?.kind === "SUSPEND" && (
        <Confirm title={`Suspend ${tenant.name}`} action="Suspend" busy={suspension.loading} onClose={close} onConfirm={() => void suspend({ variables: { input } })}>
          <p>Its callers are refused within a second. Everything is kept, and Reactivate brings it back.</p>
          {suspension.error !== undefined && <FaultNotice error={suspension.error} />}
        </Confirm>
      )}
      {asking?.kind === "ERASE" && <EraseDialog id={tenant.id} name={tenant.name} onClose={close} onErased={done} />}
    </>
  );
}
