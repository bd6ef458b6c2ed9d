import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/assets/",
  logLevel: "warn",
  build: {
    outDir: "dist",
    emptyOutDir: true,
    assetsDir: "",
    rolldownOptions: { input: { watch: fileURLToPath(new URL("watch/index.html", import.meta.url)) } },
    chunkSizeWarningLimit: 900,
  },
});
