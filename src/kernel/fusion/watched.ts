// What the fusion of signals asks of whoever watches things: how the target of an action is. A module that knows provides it.

import { face } from '../catalog/face.ts'
import type { Standing } from '../gate/types.ts'

export interface WatchedTarget {
  readonly health: Exclude<Standing['health'], 'unknown'>
  /** One sentence for people. */
  readonly reason: string
  /** When that was known; milliseconds since 1970. */
  readonly asOfMs: number
}

const PRINCIPAL = /(?:^|\/)((?:agent|service|component):[A-Za-z0-9][A-Za-z0-9._@-]*)$/
/** Areas of measures about somebody, which must not wait until he is well. */
const MEASURES = ['halts/', 'trust/'] as const

/** `kind:id` of whom a resource names at its end, such as `mesh/to/agent:bot`, unless the act is a measure about him. */
export function principalActedOn(resource: string): string | undefined {
  if (MEASURES.some((area) => resource.startsWith(area))) return undefined
  return PRINCIPAL.exec(resource)?.[1]
}

export interface TargetHealth {
  /** Of the resource of an action, `component/shop` or `mesh/to/agent:bot`; undefined where nobody watches it. */
  of(resource: string): Promise<WatchedTarget | undefined>
}

export const targetHealth = face<TargetHealth>('fusion.target-health')
