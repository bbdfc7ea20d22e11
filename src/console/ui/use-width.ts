import { useEffect, useRef, useState, type RefObject } from "react";

/** An element's width in px, for drawings whose text must not shrink with them. */
export function useWidth<T extends Element>(before: number): readonly [RefObject<T | null>, number] {
  const ref = useRef<T>(null);
  const [width, setWidth] = useState(before);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const observer = new ResizeObserver(([entry]) => { if (entry !== undefined) setWidth(Math.max(120, Math.floor(entry.contentRect.width))); });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}
