// A room of the kernel with actions of its own: what it works with, and what the hub adds to its catalog.

import type { Env } from '../env.ts'
import type { PolityError } from '../errors.ts'
import type { Feed, FeedOptions } from '../feed/feed.ts'
import type { Gate } from '../gate/gate.ts'
import type { Draft } from '../log/entry.ts'
import type { AppendOptions } from '../log/log.ts'
import type { Receipt } from '../log/proposal.ts'
import type { Realm } from '../realm/realm.ts'
import type { Caller } from './caller.ts'
import type { Definition } from './definition.ts'
import type { FaceOf } from './face.ts'
import type { Beside } from './hub-records.ts'
import type { Invoke } from './invocation.ts'
import type { OpenedModule } from './module.ts'

export interface RoomHost {
  readonly realm: Realm
  readonly env: Env
  /** `polity://realm` */
  readonly source: string
  /** DATA; absent: everything is in memory. */
  readonly dir?: string
  /** What a module of this hub shows; undefined until it is opened, or where it is absent. */
  readonly face: FaceOf
  /** What went wrong in the background; it is not in anybody's answer. */
  readonly onFailure: (error: PolityError) => void
  /** Facts that the hub states by itself, in one commit with working rows. */
  record(drafts: readonly Draft[], beside?: Beside, options?: AppendOptions): Promise<Receipt>
  /** Asks for an action, with everything that the catalog takes; resolves once the hub takes actions. */
  readonly invoke: Promise<Invoke>
  /** What can be asked for on this hub. Throws `internal` until all rooms and modules are open. */
  definitions(): readonly Definition[]
  /** Throws `auth.invalid` or `auth.expired` when a caller's token is not good any more. */
  requireLive(caller: Caller): Promise<void>
  /** Whether a single principal holds the role of owner. */
  isSolo(): Promise<boolean>
  /** The gate in force; undefined until the hub has loaded its rules. */
  gate(): Gate | undefined
  /** Calls a handler at least once for every published entry of some types, in order. Closed with the hub. */
  follow(options: FeedOptions): Feed
}

export interface Room {
  readonly name: string
  /** The namespace of contract.ts, and its URL, from which the writer thread imports the views. */
  readonly contract: Readonly<Record<string, unknown>>
  readonly contractUrl: string
  open(host: RoomHost): OpenedModule | Promise<OpenedModule>
}

export const defineRoom = (
  name: string,
  contract: { readonly url: string; readonly exports: Readonly<Record<string, unknown>> },
  open: Room['open'],
): Room => ({ name, contract: contract.exports, contractUrl: contract.url, open })
