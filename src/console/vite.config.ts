import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Where `npm run dev` listens; the development server of the console hands it everything that is not the page. */
const backend = "http://127.0.0.1:4000";
const forwarded = { target: backend, changeOrigin: true, ws: true, rewriteWsOrigin: true };

export default defineConfig({
  root: decodeURIComponent(new URL(".", import.meta.url).pathname),
  base: "/console/",
  plugins: [react()],
  build: {
    outDir: decodeURIComponent(new URL("../../dist/console", import.meta.url).pathname),
    emptyOutDir: true,
    target: "es2022",
    // A preload helper writes `<link>`s from script, and a data: URL for an asset would need a wider policy.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // One file of 150 kB packed: React, Apollo Client and graphql are in every page of it.
    chunkSizeWarningLimit: 700,
  },
  server: { port: 5173, strictPort: true, proxy: { "/graphql": forwarded, "/documents": forwarded, "/console/demo-tokens.json": forwarded } },
});
