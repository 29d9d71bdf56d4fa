import Foundation
import Testing

@testable import DaemonSupport

/// The shipped files in `etc/` are the schemas' own output.
@Suite struct DefaultFileTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static func schema(of program: String) throws -> SettingsSchema {
        try #require([AgentSettings.schema, CoordinatorSettings.schema].first { $0.program == program })
    }

    @Test(arguments: ["outrider-agent", "outrider-coordinator"])
    func shippedFileIsTheSchemas(_ program: String) throws {
        let schema = try Self.schema(of: program)
        let file = Self.root.appending(path: "etc/\(schema.program).yaml")
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(
            text == schema.defaultFile,
            "etc/\(schema.program).yaml is not the schema's: write the output of '\(schema.program) config default' there"
        )
    }

    @Test(arguments: ["outrider-agent", "outrider-coordinator"])
    func linesFitAndEveryKeyIsThere(_ program: String) throws {
        let schema = try Self.schema(of: program)
        let lines = schema.defaultFile.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.allSatisfy { $0.count <= 120 && ($0.isEmpty || $0.hasPrefix("#")) })
        for name in schema.keyNames { #expect(lines.contains { $0.hasPrefix("#\(name):") }) }
    }

    /// What the file shows as default is what an absent key means.
    @Test func uncommentedDefaultsMeanTheSame() throws {
        let agent = uncommented(AgentSettings.schema).replacing("underlay-mtu: 1500\n", with: "")
        let required = "host: node-1\ncoordinator: 10.0.0.2:7400\nvtep: 10.0.0.5\n"
        #expect(try AgentSettings(yaml: agent, file: "a") == AgentSettings(yaml: required, file: "a"))
        let coordinator = uncommented(CoordinatorSettings.schema).replacing("sample-interval: 10s\n", with: "")
            .replacing("time-zone: Europe/Berlin\n", with: "").replacing(
                /(profiler|coordinator): .*\n/, with: ""
            ).replacing(
                /prometheus(-(vms|launches|cpu|memory|received|sent))?: .*\n/, with: "")
        #expect(try CoordinatorSettings(yaml: coordinator, file: "c") == CoordinatorSettings(yaml: "", file: "c"))
    }

    private func uncommented(_ schema: SettingsSchema) -> String {
        schema.defaultFile.split(separator: "\n").filter { !$0.hasPrefix("# ") || $0.hasPrefix("#  - ") }
            .map { $0.dropFirst() + "\n" }.joined()
    }
}
