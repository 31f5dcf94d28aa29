// The traces room: it has no actions, and knows what was done before.

import { defineRoom } from '../catalog/room.ts'
import { TRACES, traceSource } from './traces.ts'

/** Without entries of its own: there is nothing that the writer would have to fold. */
export const tracesRoom = defineRoom(
  'traces',
  { url: new URL('./labels.ts', import.meta.url).href, exports: {} },
  ({ realm }) => ({ standing: traceSource(realm.reader), sweptTables: [TRACES] }),
)
