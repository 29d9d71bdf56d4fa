import Foundation
import Testing

/// The real programs, as a person or a script uses them.
@Suite(.serialized) struct ProgramTests {
    /// A coordinator with an address and a state folder of its own.
    private final class Installation {
        let process = Process()
        let folder: URL
        let address: String

        init() throws {
            folder = FileManager.default.temporaryDirectory.appending(path: "otr-ctl-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            // Any address of 127.0.0.0/8 is this machine's: two runs at once don't meet.
            let host = (0..<3).map { _ in String(Int.random(in: 1...254)) }.joined(separator: ".")
            address = "127.\(host):7400"
            let file = folder.appending(path: "coordinator.yaml")
            try "listen:\n  - \(address)\nstate-directory: \(folder.path)\n".write(
                to: file, atomically: true, encoding: .utf8)
            process.executableURL = try ProgramTests.binary("outrider-coordinator")
            process.arguments = ["run", "--config", file.path]
            process.standardError = FileHandle.nullDevice
            try process.run()
        }

        func stop() throws {
            process.terminate()
            process.waitUntilExit()
            try FileManager.default.removeItem(at: folder)
        }
    }

    private struct Outcome {
        let code: Int32
        let output: String
        let errors: String
    }

    private static func binary(_ name: String) throws -> URL {
        let folder =
            ProcessInfo.processInfo.environment["OUTRIDER_BINARIES"].map { URL(filePath: $0) }
            ?? Bundle.main.bundleURL
        let url = folder.appending(path: name)
        try #require(FileManager.default.isExecutableFile(atPath: url.path), "\(url.path) is not built: './run build'")
        return url
    }

    private func control(_ line: String, coordinator: String) throws -> Outcome {
        let process = Process()
        process.executableURL = try Self.binary("outriderctl")
        process.arguments = line.split(separator: " ").map(String.init) + ["--coordinator", coordinator]
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // Both are far smaller than a pipe's buffer, so one after the other cannot block.
        let text = try output.fileHandleForReading.readToEnd() ?? Data()
        let words = try errors.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return Outcome(
            code: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
            errors: String(decoding: words, as: UTF8.self))
    }

    @Test func aCoordinatorThatIsNotThere() throws {
        // Port 1 (tcpmux) is privileged and nobody serves it.
        let outcome = try control("app list", coordinator: "127.0.0.1:1")
        #expect(outcome.code == 69)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains("127.0.0.1:1") && outcome.errors.contains("--coordinator"))
    }

    @Test func aSocketThatIsNotThere() throws {
        let outcome = try control("vm detach --vm a --agent-socket /nowhere/agent.sock", coordinator: "127.0.0.1:1")
        #expect(outcome.code == 69)
        #expect(outcome.errors.contains("/nowhere/agent.sock"))
    }

    @Test func anAddressThatIsNone() throws {
        let outcome = try control("status", coordinator: "here")
        #expect(outcome.code == 64)
        #expect(outcome.errors.contains("HOST:PORT"))
    }

    @Test func applicationsFromCreationToDeletion() throws {
        let installation = try Installation()
        func run(_ line: String) throws -> Outcome { try control(line, coordinator: installation.address) }
        try waitForCoordinator { try run("status").code == 0 }

        #expect(try run("app create web --priority critical").code == 0)
        let again = try run("app create web")
        #expect(again.code == 73)
        #expect(again.errors.contains("web"))
        #expect(try run("app create Wrong_Name").code == 64)
        #expect(try run("app show nobody").code == 1)

        // A full disk is no success; a reader that has gone is no failure.
        let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
        let broken = Pipe()
        try broken.fileHandleForReading.close()
        for (target, code) in [(full, Int32(1)), (broken.fileHandleForWriting, 0)] {
            let process = Process()
            process.executableURL = try Self.binary("outriderctl")
            process.arguments = ["app", "list", "--coordinator", installation.address]
            process.standardOutput = target
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationReason == .exit && process.terminationStatus == code)
        }

        let table = try run("app list").output.split(separator: "\n")
        #expect(table.count == 2)
        #expect(table.last?.hasPrefix("web   critical") == true)

        #expect(try run("app set web --floor 4 --mode observe").code == 0)
        let shown = try run("app show web --output json")
        let json = try JSONSerialization.jsonObject(with: Data(shown.output.utf8))
        let application = try #require(json as? [String: Any])
        let policy = try #require(application["policy"] as? [String: Any])
        #expect(policy["floor"] as? Int == 4)
        #expect(policy["mode"] as? String == "PREDICTION_MODE_OBSERVE")
        #expect(policy["priority"] as? String == "PRIORITY_CLASS_CRITICAL")

        #expect(try run("range allocate web --count 16").code == 0)
        #expect(try run("reservation list").output.contains("web"))
        #expect(try run("check").code == 0)
        #expect(try run("app delete web").code == 0)
        try installation.stop()
        #expect(try run("app list").code == 69)
    }

    /// Export, change, compare, apply; then a stale document, one of a newer format, and one with a key of nobody's.
    @Test func shardingDocumentsFromExportToRefusal() throws {
        let installation = try Installation()
        func run(_ line: String) throws -> Outcome { try control(line, coordinator: installation.address) }
        try waitForCoordinator { try run("status").code == 0 }
        let exported = try run("sharding show --output json")
        #expect(exported.code == 0)
        #expect(try run("sharding export --output json").output == exported.output)
        let file = installation.folder.appending(path: "sharding.json")
        func write(_ change: (inout [String: Any]) -> Void) throws {
            let json = try JSONSerialization.jsonObject(with: Data(exported.output.utf8))
            var document = try #require(json as? [String: Any])
            change(&document)
            try JSONSerialization.data(withJSONObject: document).write(to: file)
        }
        try write { _ in }
        let same = try run("sharding diff \(file.path)")
        #expect(same.code == 0 && same.output.isEmpty)
        try write {
            $0["version"] = "2"
            $0["excluding"] = [["first": 8192, "count": 4096]]
        }
        #expect(
            try run("sharding diff \(file.path)").output == "version          1 to 2\nleaves the pool  8192-12287\n")
        let applied = try run("sharding apply \(file.path)")
        #expect(applied.code == 0)
        #expect(applied.output.contains("leaves the pool  8192-12287\nleft to exclude  0"))
        #expect(try run("sharding show").output.contains("excluding        8192-12287"))
        let stale = try run("sharding apply \(file.path)")
        #expect(stale.code == 75 && stale.errors.contains("version 2 of the document is stale, 2 is in force"))
        try write {
            $0["format"] = 2
            $0["slices"] = [1]
        }
        let newer = try run("sharding apply \(file.path)")
        #expect(newer.code == 1 && newer.errors.contains("format 2, this coordinator knows formats up to 1"))
        try write { $0["slices"] = [1] }
        let unknown = try run("sharding diff \(file.path)")
        #expect(unknown.code == 64 && unknown.errors.contains("slices"))
        #expect(try run("sharding diff /nowhere").code == 64)
        try installation.stop()
    }

    /// Start-up takes as long as it takes; a coordinator that never answers fails here after a minute.
    private func waitForCoordinator(_ answers: () throws -> Bool) throws {
        let end = ContinuousClock.now + .seconds(60)
        while try !answers() {
            try #require(ContinuousClock.now < end, "the coordinator does not answer")
            Thread.sleep(forTimeInterval: 0.1)
        }
    }
}
