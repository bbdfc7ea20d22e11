import { useEffect, useState } from "react";

export type Theme = "light" | "dark";

/** A preference and no secret: it may outlive the tab. */
const storageKey = "bulkhead.theme";
const darkQuery = "(prefers-color-scheme: dark)";

function chosenTheme(): Theme | undefined {
  const stored = localStorage.getItem(storageKey);
  return stored === "light" || stored === "dark" ? stored : undefined;
}

/** Once before the first drawing, so that the sign-in has it too. */
export function applyTheme(theme = chosenTheme()): void {
  document.documentElement.dataset["theme"] = theme ?? (matchMedia(darkQuery).matches ? "dark" : "light");
}

/** The machine's preference until a person chooses. */
export function useTheme(): readonly [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState<Theme>(() => chosenTheme() ?? (matchMedia(darkQuery).matches ? "dark" : "light"));
  useEffect(() => {
    const media = matchMedia(darkQuery);
    const follow = (): void => {
      if (chosenTheme() === undefined) setTheme(media.matches ? "dark" : "light");
    };
    media.addEventListener("change", follow);
    return () => media.removeEventListener("change", follow);
  }, []);
  useEffect(() => applyTheme(theme), [theme]);
  const choose = (next: Theme): void => {
    localStorage.setItem(storageKey, next);
    setTheme(next);
  };
  return [theme, choose];
}
