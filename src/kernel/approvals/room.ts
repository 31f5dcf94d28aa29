// The approvals room: keeps what waits for people, counts what they say, and carries out what they agreed to.

import type { OpenedModule } from '../catalog/module.ts'
import { defineRoom, type RoomHost } from '../catalog/room.ts'
import * as contract from './contract.ts'
import { openDesk } from './desk.ts'
import { HELD } from './held.ts'
import { keepingHandlers } from './keeping-handlers.ts'
import { showingHandlers } from './showing.ts'
import { standingSource } from './standing-source.ts'
import { openTimekeeper } from './timekeeping.ts'
import { votingHandlers } from './voting.ts'
import { WAITING } from './waiting-shares.ts'

export const approvalsRoom = defineRoom(
  'approvals',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  openApprovalsRoom,
)

function openApprovalsRoom(host: RoomHost): OpenedModule {
  const { env, realm } = host
  const timekeeper = openTimekeeper(host)
  const { settle } = timekeeper
  return {
    commands: [
      ...votingHandlers({ gate: () => host.gate(), isSolo: () => host.isSolo(), settle }),
      ...keepingHandlers(env),
    ],
    queries: showingHandlers(host),
    standing: standingSource(realm.committed),
    desk: openDesk({
      committed: realm.committed,
      reader: realm.reader,
      random: (sizeBytes) => env.random(sizeBytes),
      open: () => timekeeper.open(),
      record: (...asked) => host.record(...asked),
      heard: (...asked) => timekeeper.heard(...asked),
      settle,
    }),
    sweptTables: [HELD, WAITING],
    gauges: () => ({ approvals_pending: timekeeper.open() }),
    close: () => timekeeper.close(),
  }
}
