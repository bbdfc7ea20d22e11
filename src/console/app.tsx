/** What a signed-in person sees: the shell with the page of the address in it. Roles decide which pages there are. */
import { useQuery } from "@apollo/client/react";
import type { ReactNode } from "react";
import { ViewerDocument } from "./generated/operations.ts";
import { AlarmsPage } from "./operator/alarms-page.tsx";
import { HeatmapPage } from "./operator/heatmap-page.tsx";
import { IsolationPage } from "./operator/isolation-page.tsx";
import { LatencyPage } from "./operator/latency-page.tsx";
import { MovesPage } from "./operator/moves-page.tsx";
import { TenantPage } from "./operator/tenant-page.tsx";
import { TenantsPage } from "./operator/tenants-page.tsx";
import { useSession } from "./session/session.tsx";
import { partAfter, usePath } from "./shell/router.tsx";
import { Shell, type NavItem } from "./shell/shell.tsx";
import { AdaptersPage } from "./tenant/adapters/adapters-page.tsx";
import { ChatPage } from "./tenant/chat/chat-page.tsx";
import { ConversationsPage } from "./tenant/conversations-page.tsx";
import { DocumentsPage } from "./tenant/documents/documents-page.tsx";
import { UsagePage } from "./tenant/usage/usage-page.tsx";
import { FaultNotice, Skeleton } from "./ui/notices.tsx";
import { PageHead } from "./ui/page-head.tsx";

const operatorPages: readonly NavItem[] = [
  { to: "/tenants", label: "Tenants" },
  { to: "/moves", label: "Moves" },
  { to: "/heatmap", label: "Heatmap" },
  { to: "/latency", label: "Latency" },
  { to: "/isolation", label: "Isolation" },
  { to: "/alarms", label: "Alarms" },
];

const memberPages: readonly NavItem[] = [
  { to: "/chat", label: "Ask" },
  { to: "/documents", label: "Documents" },
  { to: "/conversations", label: "Conversations" },
  { to: "/usage", label: "Usage" },
];

const adminPages: readonly NavItem[] = [...memberPages, { to: "/adapters", label: "Adapters" }];

export function App(): ReactNode {
  const { claims } = useSession();
  return claims.kind === "OPERATOR" ? <OperatorApp /> : <TenantApp />;
}

function OperatorApp(): ReactNode {
  const path = usePath();
  return (
    <Shell pages={operatorPages} who={{ name: "Operator", detail: "platform" }}>
      {operatorPage(path)}
    </Shell>
  );
}

function operatorPage(path: string): ReactNode {
  const tenantId = partAfter(path, "/tenants");
  if (tenantId !== undefined) return <TenantPage key={tenantId} id={tenantId} />;
  if (path === "/" || path === "/tenants") return <TenantsPage />;
  if (path === "/moves") return <MovesPage />;
  if (path === "/heatmap") return <HeatmapPage />;
  if (path === "/latency") return <LatencyPage />;
  if (path === "/isolation" || path.startsWith("/isolation/")) return <IsolationPage id={partAfter(path, "/isolation")} />;
  if (path === "/alarms") return <AlarmsPage />;
  return <UnknownPage />;
}

function TenantApp(): ReactNode {
  const path = usePath();
  const { data, error, refetch } = useQuery(ViewerDocument);
  const viewer = data?.viewer;
  if (error !== undefined && viewer == null) return <main className="sign-in"><FaultNotice error={error} onRetry={() => void refetch()} /></main>;
  if (viewer == null) return <main className="sign-in"><Skeleton label="Signing in" /></main>;
  const isAdmin = viewer.roles.includes("ADMIN");
  return (
    <Shell pages={isAdmin ? adminPages : memberPages} who={{ name: viewer.tenant.name, detail: `${viewer.tier} · ${viewer.placement} · ${isAdmin ? "admin" : "member"}` }}>
      {tenantPage(path, isAdmin)}
    </Shell>
  );
}

function tenantPage(path: string, isAdmin: boolean): ReactNode {
  const conversationId = partAfter(path, "/chat");
  if (path === "/" || path === "/chat" || conversationId !== undefined) return <ChatPage conversationId={conversationId} isAdmin={isAdmin} />;
  if (path === "/documents") return <DocumentsPage isAdmin={isAdmin} />;
  if (path === "/conversations") return <ConversationsPage />;
  if (path === "/usage") return <UsagePage isAdmin={isAdmin} />;
  if (path === "/adapters" && isAdmin) return <AdaptersPage />;
  return <UnknownPage />;
}

function UnknownPage(): ReactNode {
  return (
    <>
      <PageHead title="No such page" />
      <p>There is nothing at this address for your role. Choose a page from the navigation.</p>
    </>
  );
}
