import DaemonSupport
import Testing

@Suite struct DocumentationTests {
    @Test(arguments: [AgentSettings.schema, CoordinatorSettings.schema].map { ($0.program, $0.keyNames) })
    func everyConfigurationKeyIsDocumented(program: String, keys: [String]) throws {
        let document = try Repository.text("docs/configuration.md")
        let section = try #require(document.split(separator: "\n## ").first { $0.hasPrefix(program) })
        let documented = section.matches(of: /\n\| `([a-z0-9-]+)` \|/).map { String($0.1) }
        #expect(documented == keys, "docs/configuration.md, section \(program)")
    }

    @Test func everyVerbIsDocumented() throws {
        let document = try Repository.text("docs/cli.md")
        let files = Repository.swiftFiles.filter { $0.target == "outriderctl" }
        let names = files.flatMap { file in
            file.lines.compactMap { $0.firstMatch(of: /commandName: "([a-z]+)"/).map { String($0.1) } }
        }
        try #require(names.count > 20)
        for name in Set(names).sorted() {
            #expect(document.contains(try Regex("`[^`\n]*\\b\(name)\\b")), "docs/cli.md does not name '\(name)'")
        }
    }

    /// Every message, field, service, call, enumeration and value says what it is.
    @Test(arguments: Repository.files(in: ["Protos"], extensions: ["proto"]))
    func everyProtoDeclarationHasAComment(path: String) throws {
        let lines = try Repository.text(path).split(separator: "\n", omittingEmptySubsequences: false)
        let declaration =
            /^\s*(?:(?:message|enum|service|rpc|oneof)\s+\w+|(?:repeated |optional )?[\w.]+ \w+ = \d+;|[A-Z0-9_]+ = \d+;)/
        for index in lines.indices where lines[index].contains(declaration) {
            let before = index > 0 ? lines[index - 1] : ""
            #expect(before.contains(/^\s*\/\//), "\(path):\(index + 1): no comment before \(lines[index])")
        }
    }

    /// A link to a file that is not there.
    @Test func everyRelativeLinkLeadsSomewhere() throws {
        let documents =
            ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
            + Repository.files(in: ["docs", "packaging"], extensions: ["md"])
        for document in documents {
            let folder = document.split(separator: "/").dropLast().joined(separator: "/")
            for match in try Repository.text(document).matches(of: /\]\(([^)#:\s]+)(?:#[^)]*)?\)/) {
                let path = folder.isEmpty ? String(match.1) : "\(folder)/\(match.1)"
                #expect(Repository.exists(path), "\(document) links to \(match.1)")
            }
        }
    }

    /// Where somebody's checkout or toolchain lives is nobody else's business.
    @Test func noPathOfABuildMachine() throws {
        // Put together here, so that this file does not find itself.
        let forbidden = ["work", "root", "home", "opt/swift"].map { "/" + $0 + "/" }
        let folders = [
            "Sources", "Tests", "Tools", "Benchmarks", "CShims", "Protos", "docs", "etc", "packaging",
        ]
        let files =
            Repository.files(
                in: folders, extensions: ["swift", "c", "h", "proto", "md", "yaml", "service", "conf", "sh", "json"])
            + ["run", ".ci/run", "Package.swift", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        for path in files {
            let text = try Repository.text(path)
            for fragment in forbidden where text.contains(try Regex("(?:^|[^\\w.}])" + fragment)) {
                Issue.record("\(path) names a path below \(fragment)")
            }
        }
    }
}
