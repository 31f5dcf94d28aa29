// The folders that a hub gives its modules: under DATA, or temporary where everything is in memory.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dataPaths } from '../log/layout.ts'

export interface Folders {
  /** For what can be derived again. */
  cacheOf(module: string): string
  /** For what must not be lost. */
  dataOf(module: string): string
  close(): void
}

/** In memory hubs share nothing, so they get a folder of their own until they close. */
export function openFolders(dir: string | undefined): Folders {
  const temporary = dir === undefined ? mkdtempSync(join(tmpdir(), 'polity-')) : undefined
  const roots = temporary === undefined ? dataPaths(dir as string) : dataPaths(temporary)
  const make = (root: string, module: string) => {
    const path = join(root, module)
    mkdirSync(path, { recursive: true, mode: 0o700 })
    return path
  }
  return {
    cacheOf: (module) => make(roots.cache, module),
    dataOf: (module) => make(roots.modules, module),
    close() {
      if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true })
    },
  }
}
