import { useEffect, useState } from "react";

export type Theme = "light" | "dark";

/** A preference and no secret: it may outlive the tab. */
const storageKey = "bulkhead.theme";
const darkQuery = "(prefers-color-scheme: dark)";

function chosenTheme(): Theme | undefined {
  const stored = localStorage.getItem(storageKey);
  return stored === "light" || stored === "dark" ? stored : undefined;
}

function presentTheme(): Theme {
  return chosenTheme() ?? (matchMedia(darkQuery).matches ? "dark" : "light");
}

/** Once before the first drawing, so that the sign-in has it too; from then on with the machine's preference. */
export function followTheme(): void {
  matchMedia(darkQuery).addEventListener("change", applyTheme);
  applyTheme();
}

function applyTheme(): void {
  document.documentElement.dataset["theme"] = presentTheme();
}

/** The machine's preference until a person chooses. */
export function useTheme(): readonly [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState<Theme>(presentTheme);
  useEffect(() => {
    const media = matchMedia(darkQuery);
    const follow = (): void => setTheme(presentTheme());
    media.addEventListener("change", follow);
    return () => media.removeEventListener("change", follow);
  }, []);
  const choose = (next: Theme): void => {
    localStorage.setItem(storageKey, next);
    document.documentElement.dataset["theme"] = next;
    setTheme(next);
  };
  return [theme, choose];
}
