import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The tests use the development build, because StrictMode mounts twice only there.
export default defineConfig(({ mode }) => ({
  plugins: [react()],
  build: { minify: mode !== "development" },
  define: { "process.env.NODE_ENV": JSON.stringify(mode) },
}));
