// Findings as reports carry them: located, bounded, and fingerprinted so that they keep their identity.

import { createHash } from 'node:crypto'
import type { Finding } from './document.ts'
import { displayText } from './git/display.ts'
import { MAX_FINDINGS, MAX_PATH_CHARS, MAX_SNIPPET_CHARS } from './limits.ts'
import type { RawFinding } from './scorecard/check.ts'

const RANK = { error: 0, warning: 1, note: 2 } as const

/**
 * Errors first, then by rule, path and line. The fingerprint is made of the rule, the normalised snippet and how
 * many alike came before: no path and no line, so it survives renames and edits elsewhere in the file.
 * @param blobOf object id of a path of the head
 */
export function reportFindings(
  raw: readonly RawFinding[],
  blobOf: (path: string) => string | null,
): { items: Finding[]; total: number } {
  const seen = new Map<string, number>()
  const items = raw.toSorted(byWeight).map((finding): Finding => {
    const identity = digest(finding.ruleId, finding.snippet.replace(/\s+/g, ' ').trim())
    const ordinal = seen.get(identity) ?? 0
    seen.set(identity, ordinal + 1)
    return {
      ruleId: finding.ruleId,
      level: finding.level,
      message: shown(finding),
      path: finding.path === null ? null : displayText(finding.path, MAX_PATH_CHARS),
      line: finding.line,
      blob: finding.path === null ? null : blobOf(finding.path),
      fingerprint: digest(identity, String(ordinal)),
    }
  })
  return { items: items.slice(0, MAX_FINDINGS), total: items.length }
}

function byWeight(a: RawFinding, b: RawFinding): number {
  return (
    RANK[a.level] - RANK[b.level] ||
    compare(a.ruleId, b.ruleId) ||
    compare(a.path ?? '', b.path ?? '') ||
    (a.line ?? 0) - (b.line ?? 0) ||
    compare(a.snippet, b.snippet)
  )
}

/** By code unit, as canonical JSON sorts; never by the locale of the machine. */
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** Messages may quote a job or a function: repository text, so it is shown like any other. */
const shown = ({ message }: RawFinding) =>
  displayText(Buffer.from(message).toString('latin1'), MAX_SNIPPET_CHARS)

const digest = (...parts: readonly string[]) =>
  createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 32)
