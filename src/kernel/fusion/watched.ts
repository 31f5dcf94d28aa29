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

export interface TargetHealth {
  /** Of the resource of an action, `component/shop`; undefined where nobody watches it. */
  of(resource: string): Promise<WatchedTarget | undefined>
}

export const targetHealth = face<TargetHealth>('fusion.target-health')
