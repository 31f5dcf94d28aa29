// What is attested of a run: every analysed repository by name, commit and digest, in as many parts as must be.

import { canonicalize } from '../../kit/canonical-json.ts'
import { STATEMENT_SIZE_MAX_BYTES, SUBJECTS_MAX } from '../attest/contract.ts'
import { ANALYSIS_SCHEMA } from './document.ts'

const PREDICATE_TYPE = 'urn:polity:predicate:repository-analysis:1'

export interface Attested {
  readonly name: string
  /** Object id, hex. */
  readonly commit: string
  /** `sha256:<hex>` of the canonical JSON of the analysis. */
  readonly analysisDigest: string
  readonly formulas: { readonly health: string; readonly scorecard: string }
  readonly health: number | null
  readonly grade: string
}

/** A type alias, as an interface is no JSON value to the compiler. */
type Subject = { name: string; digest: { gitCommit: string; sha256: string } }

export interface RepositoryStatement {
  readonly predicateType: typeof PREDICATE_TYPE
  /** `gitCommit`: the commit at HEAD; `sha256`: of the canonical JSON of the analysis of that commit. */
  readonly subjects: Subject[]
  readonly predicate: {
    readonly schema: typeof ANALYSIS_SCHEMA
    readonly run: string
    /** The repositories of a run follow each other from part 1 to part `of`. */
    readonly part: { readonly number: number; readonly of: number }
    readonly formulas: Attested['formulas']
    /** In the order of the subjects. */
    readonly health: readonly (number | null)[]
    readonly grades: readonly string[]
  }
}

/** The same repositories in the same order give the same statements. A new formula begins a new part. */
export function statementsOf(run: string, analyzed: readonly Attested[]): RepositoryStatement[] {
  const parts = partsOf(analyzed)
  return parts.map((part, at) => ({
    predicateType: PREDICATE_TYPE,
    subjects: part.map(subjectOf),
    predicate: {
      schema: ANALYSIS_SCHEMA,
      run,
      part: { number: at + 1, of: parts.length },
      formulas: (part[0] as Attested).formulas,
      health: part.map(({ health }) => health),
      grades: part.map(({ grade }) => grade),
    },
  }))
}

/** Everything besides what repositories bring: members' names, types, run, part and formulas. */
const FRAME_SIZE_BYTES = 1_024

function partsOf(analyzed: readonly Attested[]): Attested[][] {
  const parts: Attested[][] = []
  let spareBytes = 0
  for (const each of analyzed) {
    const sizeBytes = sizeOf(each)
    const part = parts.at(-1)
    const isFull = sizeBytes > spareBytes || part?.length === SUBJECTS_MAX
    if (part === undefined || isFull || canonicalize(part[0]?.formulas) !== canonicalize(each.formulas)) {
      parts.push([each])
      spareBytes = STATEMENT_SIZE_MAX_BYTES - FRAME_SIZE_BYTES - sizeBytes
    } else {
      part.push(each)
      spareBytes -= sizeBytes
    }
  }
  return parts
}

const subjectOf = ({ name, commit, analysisDigest }: Attested): Subject => ({
  name,
  digest: { gitCommit: commit, sha256: analysisDigest.replace(/^sha256:/, '') },
})

/** In the statement, separators included. */
const sizeOf = (each: Attested): number =>
  Buffer.byteLength(canonicalize([subjectOf(each), each.health, each.grade])) + 1
