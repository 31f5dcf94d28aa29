// The approvals room: keeps what waits for people, counts what they say, and carries out what they agreed to.

import type { OpenedModule } from '../catalog/module.ts'
import { defineRoom, type RoomHost } from '../catalog/room.ts'
import * as contract from './contract.ts'
import { openDesk } from './desk.ts'
import { HELD } from './held.ts'
import { keepingHandlers } from './keeping-handlers.ts'
import { showingHandlers } from './showing.ts'
import { openStandingSource } from './standing-source.ts'
import { openTimekeeper } from './timekeeping.ts'
import { votingHandlers } from './voting.ts'

export const approvalsRoom = defineRoom(
  'approvals',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  openApprovalsRoom,
)

async function openApprovalsRoom(host: RoomHost): Promise<OpenedModule> {
  const { env, realm } = host
  const standing = await openStandingSource(host)
  const timekeeper = openTimekeeper(host)
  const { settle } = timekeeper
  return {
    commands: [
      ...votingHandlers({ gate: () => host.gate(), isSolo: () => host.isSolo(), settle }),
      ...keepingHandlers(env),
    ],
    queries: showingHandlers(host),
    standing,
    desk: openDesk({
      committed: realm.committed,
      random: (sizeBytes) => env.random(sizeBytes),
      open: () => timekeeper.open(),
      settle,
    }),
    sweptTables: [HELD],
    async close() {
      await Promise.all([timekeeper.close(), standing.close()])
    },
  }
}
