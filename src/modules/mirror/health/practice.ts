// Which habits of a well-kept repository its file names show.

import { isGenerated, isTest, isVendored } from '../tree/paths.ts'
import type { ScannedFile } from '../tree/scan.ts'
import type { HealthFacts } from './facts.ts'

/** In the root, `.github` or `docs`, where forges look. */
const IN_HEAD_FOLDERS = String.raw`^(\.github\/|\.gitlab\/|docs\/)?`
const README = /^(\.github\/|docs\/)?README(\.\w+)?$/i
const CONTRIBUTING = new RegExp(String.raw`${IN_HEAD_FOLDERS}CONTRIBUTING(\.\w+)?$`, 'i')
const CODE_OF_CONDUCT = new RegExp(String.raw`${IN_HEAD_FOLDERS}CODE[-_]OF[-_]CONDUCT(\.\w+)?$`, 'i')
const CODEOWNERS = new RegExp(`${IN_HEAD_FOLDERS}CODEOWNERS$`)
const LICENSE = /^(LICEN[CS]ES?|COPYING|UNLICENSE)([.-][^/]*)?$|^LICENSES\/[^/]+$/i
const CI =
  /^(\.github\/workflows\/[^/]+\.ya?ml|\.gitlab-ci\.ya?ml|\.circleci\/config\.ya?ml|\.travis\.ya?ml|Jenkinsfile|azure-pipelines\.ya?ml|\.drone\.ya?ml|\.woodpecker(\/[^/]+)?\.ya?ml|appveyor\.ya?ml|\.appveyor\.ya?ml|bitbucket-pipelines\.ya?ml|\.buildkite\/.+|\.cirrus\.ya?ml|\.build\.ya?ml|\.ci\/.+)$/i
const LOCKFILE =
  /(^|\/)(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|deno\.lock|Cargo\.lock|Gemfile\.lock|Pipfile\.lock|poetry\.lock|uv\.lock|pdm\.lock|composer\.lock|go\.sum|flake\.lock|mix\.lock|pubspec\.lock|Package\.resolved|Podfile\.lock|packages\.lock\.json|gradle\.lockfile|requirements[^/]*\.lock)$/

export function practiceOf(files: readonly ScannedFile[]): NonNullable<HealthFacts['practice']> {
  const some = (pattern: RegExp) => files.some(({ path }) => pattern.test(path))
  const sources = files.filter(
    ({ path, language }) => isSource(language) && !isVendored(path) && !isGenerated(path),
  )
  const tests = sources.filter(({ path }) => isTest(path)).length
  return {
    readme: some(README),
    contributing: some(CONTRIBUTING),
    license: some(LICENSE),
    codeOfConduct: some(CODE_OF_CONDUCT),
    ci: some(CI),
    lockfile: some(LOCKFILE),
    codeowners: some(CODEOWNERS),
    testFiles: tests,
    sourceFiles: sources.length - tests,
  }
}

/** Languages that hold programs, not documents, data or settings. */
const NOT_PROGRAMS = new Set([
  'YAML',
  'TOML',
  'INI',
  'HTML',
  'XML',
  'CSS',
  'Sass',
  'GraphQL',
  'Protocol Buffers',
  'Makefile',
  'CMake',
  'Dockerfile',
  'Just',
  'Nix',
  'Terraform',
])
const isSource = (language: ScannedFile['language']) =>
  language?.syntax != null && !NOT_PROGRAMS.has(language.name)
