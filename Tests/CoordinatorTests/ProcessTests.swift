import ControlAPI
import Foundation
import GRPCCore
import SwiftProtobuf
import Testing

/// The real program as a child process.
@Suite struct ProcessTests {
    /// Built programs lie beside the test runner.
    private static var program: URL {
        let runner = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        return runner.deletingLastPathComponent().appending(path: "outrider-coordinator")
    }

    private struct Outcome {
        var status: Int32
        var output: String
        var errors: String
    }

    private static func run(_ arguments: [String]) throws -> Outcome {
        let process = Process()
        let (output, errors) = (Pipe(), Pipe())
        process.executableURL = program
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        let complaint = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
            errors: String(decoding: complaint, as: UTF8.self))
    }

    private static func configuration(_ directory: String, port: Int) throws -> String {
        let file = directory + "/c.yaml"
        let text =
            "listen: [\"127.0.0.1:\(port)\"]\nstate-directory: \(directory)/state\npool: [4096-12287]\nhttp-listen: []\n"
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }

    @Test func wrongConfigurationAndUsageHaveTheirOwnExitCodes() throws {
        let directory = try TemporaryDirectory()
        let bad = directory.path + "/bad.yaml"
        try "cooldwn: 3s\nblock-size: 5\n".write(toFile: bad, atomically: true, encoding: .utf8)
        for verb in [["config", "check"], ["config", "show"], ["run"]] {
            let outcome = try Self.run(verb + ["--config", bad])
            #expect(outcome.status == 78)
            #expect(outcome.errors.contains("\(bad):1: key 'cooldwn': outrider-coordinator has no such key"))
            #expect(outcome.errors.contains("\(bad):2: key 'block-size': '5' is not accepted"))
        }
        let services = try Self.run(["run", "--services", "profiler,allocator"])
        #expect(services.status == 64 && services.errors.contains("'profiler,allocator' is not supported"))
        let lonely = try Self.configuration(directory.path, port: 7400)
        let profiler = try Self.run(["run", "--services", "profiler", "--config", lonely])
        #expect(profiler.status == 78 && profiler.errors.contains("give its address with the key 'coordinator'"))
        let missing = try Self.run(["config", "check", "--config", "/nonexistent/c.yaml"])
        #expect(missing.status == 78 && missing.errors.contains("no such file"))
    }

    @Test func defaultFileChecksAndShowsItself() throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/default.yaml"
        try Self.run(["config", "default"]).output.write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try Self.run(["config", "check", "--config", file]).status == 0)
        let shown = try Self.run(["config", "show", "--config", file])
        #expect(shown.status == 0 && shown.output.contains("block-size: 16\n"))
        #expect(try Self.run(["--help"]).output.contains("78  configuration error"))
    }

    /// A process without a profiler: applications, ranges and decisions go on by watermarks, and what was learnt is
    /// there again when a profiler is.
    @Test func withoutAProfilerEverythingElseGoesOn() async throws {
        let directory = try TemporaryDirectory()
        let port = try freePort()
        let file = try Self.configuration(directory.path, port: port)
        for services in ["all", "allocator,session-manager,network-manager", "all"] {
            let process = Process()
            process.executableURL = Self.program
            process.arguments = ["run", "--config", file, "--services", services]
            process.standardError = FileHandle.nullDevice
            try process.run()
            try await withClient(port: port) { client in
                let sessions = Outrider_V1_SessionManager.Client(wrapping: client)
                let ranges = Outrider_V1_NetworkManager.Client(wrapping: client)
                let profiler = Outrider_V1_BehavioralProfiler.Client(wrapping: client)
                var options = CallOptions.defaults
                options.waitForReady = true
                // Only turns a hang into a failure.
                options.timeout = .seconds(600)
                let made = try await sessions.createApplication(
                    .with { $0.name = "of-\(services.prefix(3))-\(UInt32.random(in: 0...(.max)))" }, options: options)
                let grant = try await ranges.allocateRange(
                    .with {
                        $0.application = made.name
                        $0.predictedVmCount = 20
                    }, options: options)
                #expect(grant.granted >= 20)
                do {
                    let profiles = try await profiler.listScalingProfiles(.init(), options: options).profiles
                    #expect(services == "all" && profiles.contains { $0.application == made.id })
                } catch let error as RPCError {
                    #expect(services != "all" && error.code == .unimplemented)
                }
            }
            process.terminate()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }
    }

    /// Kill without warning between two writes: the next process knows everything that was answered.
    @Test func killedProcessLosesNothingThatWasAnswered() async throws {
        let directory = try TemporaryDirectory()
        let port = try freePort()
        let file = try Self.configuration(directory.path, port: port)
        var answered: [String] = []
        for round in 0..<3 {
            let process = Process()
            process.executableURL = Self.program
            process.arguments = ["run", "--config", file]
            process.standardError = FileHandle.nullDevice
            try process.run()
            let known = answered
            answered = try await withClient(port: port) { client in
                let sessions = Outrider_V1_SessionManager.Client(wrapping: client)
                var options = CallOptions.defaults
                options.waitForReady = true
                // Only turns a hang into a failure.
                options.timeout = .seconds(600)
                let found = try await sessions.listApplications(.init(), options: options).applications
                #expect(Set(found.map(\.name)) == Set(known))
                var names = known
                for number in 0..<20 {
                    let made = try await sessions.createApplication(.with { $0.name = "r\(round)-\(number)" })
                    names.append(made.name)
                }
                kill(process.processIdentifier, SIGKILL)
                return names
            }
            process.waitUntilExit()
            #expect(process.terminationReason == .uncaughtSignal)
        }
        #expect(answered.count == 60)
    }
}
