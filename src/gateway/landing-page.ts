import type { ApolloServerPlugin, BaseContext } from "@apollo/server";
import { ApolloServerPluginLandingPageLocalDefault, ApolloServerPluginLandingPageProductionDefault } from "@apollo/server/plugin/landingPage/default";
import { tokenPlaceholder } from "./token-placeholder.js";

export interface LandingPageOptions {
  readonly production: boolean;
  /** Preloaded in Sandbox, in development. */
  readonly firstQuery?: string;
}

/** Apollo's page for a browser. Its script comes from Apollo's CDN; without one the page stays at its notice, which then says where to go. */
export function landingPage(options: LandingPageOptions): ApolloServerPlugin<BaseContext> {
  const plugin = apollosPage(options);
  return {
    ...plugin,
    async serverWillStart(service) {
      const listener = await plugin.serverWillStart?.(service);
      const render = listener?.renderLandingPage?.bind(listener);
      if (listener === undefined || render === undefined) return listener;
      return { ...listener, renderLandingPage: async () => ({ html: async () => withWayOut(await htmlOf((await render()).html)) }) };
    },
  };
}

function apollosPage({ production, firstQuery }: LandingPageOptions): ApolloServerPlugin<BaseContext> {
  if (production) return ApolloServerPluginLandingPageProductionDefault({ footer: false });
  return ApolloServerPluginLandingPageLocalDefault({
    footer: false,
    headers: { Authorization: tokenPlaceholder },
    embed: { runTelemetry: false, endpointIsEditable: false },
    ...(firstQuery === undefined ? {} : { document: firstQuery }),
  });
}

/** The notice fades in where Apollo's page has not covered it. */
const wayOut = '<p>The <a href="/ide/">offline IDE</a> is served by this machine and needs no network.</p>';
const noticeEnd = /(<div class="fallback">[^]*?<\/p>)(\s*<\/div>)/;

/** The empty frame for Sandbox lies over the notice, and would catch the click on its link. */
const letClicksThrough = "#embeddableSandbox:empty { pointer-events: none; }";
const stylesBegin = /<style nonce=\S+?>/;

function withWayOut(html: string): string {
  return html.replace(noticeEnd, `$1\n  ${wayOut}$2`).replace(stylesBegin, `$&\n        ${letClicksThrough}`);
}

async function htmlOf(html: string | (() => Promise<string>)): Promise<string> {
  return typeof html === "string" ? html : html();
}
