import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The build for development: StrictMode does its double mounting only there.
export default defineConfig(({ mode }) => ({
  plugins: [react()],
  build: { minify: mode !== "development" },
  define: { "process.env.NODE_ENV": JSON.stringify(mode) },
}));
