// Facts of the counterpart tests.

import { entryType } from '../../src/kernel/log/entry.ts'
import { Integer, Type } from '../../src/kernel/schema/schema.ts'

export const Kept = entryType('lab.kept@1', { key: Type.String(), code: Type.String() })
export const Forwarded = entryType('lab.forwarded@1', { keys: Type.Array(Type.String()) })
export const Refused = entryType('lab.refused@1', { key: Type.String(), status: Integer })
