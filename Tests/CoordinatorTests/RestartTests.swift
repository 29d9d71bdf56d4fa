import ControlAPI
import CoordinatorCore
import DaemonSupport
import Foundation
import GRPCCore
import Store
import SwiftProtobuf
import Testing

@testable import Coordinator

@Suite struct RestartTests {
    private struct Known: Equatable {
        var applications: [String]
        var ranges: [Outrider_V1_Range]
        var reservations: [String]
        var term: UInt64
    }

    @Sendable private static func known(_ client: Client) async throws -> Known {
        let network = Outrider_V1_NetworkManager.Client(wrapping: client)
        let applications = try await Outrider_V1_SessionManager.Client(wrapping: client).listApplications(.init())
        return Known(
            applications: applications.applications.map { "\($0.name) \($0.id) \($0.revision) \($0.policy.cap)" },
            ranges: try await network.listRanges(.init()).ranges.map(\.range),
            reservations: try await network.listReservations(.init()).reservations.map(\.id),
            term: try await Outrider_V1_Fleet.Client(wrapping: client).getStatus(.init()).position.term)
    }

    @Sendable private static func fill(_ client: Client) async throws -> Known {
        let sessions = Outrider_V1_SessionManager.Client(wrapping: client)
        for name in ["web", "batch"] {
            _ = try await sessions.createApplication(
                .with {
                    $0.name = name
                    $0.policy.cap = 1024
                })
        }
        _ = try await Outrider_V1_NetworkManager.Client(wrapping: client).allocateRange(
            .with {
                $0.application = "web"
                $0.predictedVmCount = 100
                $0.confidence = 1
                $0.lifetimeMs = 3_600_000
            })
        return try await known(client)
    }

    @Test func gracefulRestartKeepsTheStateAndRaisesTheTerm() async throws {
        let directory = try TemporaryDirectory()
        let settings = try testSettings(directory.path)
        let before = try await withCoordinator(settings, Self.fill)
        #expect(before.applications.count == 2 && !before.ranges.isEmpty && before.term == 1)
        // The end kept a snapshot: nothing is left to replay.
        do {
            let state = try await SQLiteStore(directory: directory.path).load()
            #expect(state.snapshot != nil && state.events.isEmpty)
        }
        var after = try await withCoordinator(settings, Self.known)
        #expect(after.term == 2)
        after.term = 1
        #expect(after == before)
    }

    /// What a client was told survives a crash right after: the files as they are while the coordinator runs.
    @Test func whatWasAnsweredIsOnDisk() async throws {
        let directory = try TemporaryDirectory()
        let copy = try TemporaryDirectory()
        let (source, target) = (directory.path, copy.path)
        let before = try await withCoordinator(try testSettings(source)) { client in
            let known = try await Self.fill(client)
            for name in try FileManager.default.contentsOfDirectory(atPath: source) {
                try FileManager.default.copyItem(atPath: "\(source)/\(name)", toPath: "\(target)/\(name)")
            }
            return known
        }
        var after = try await withCoordinator(try testSettings(target), Self.known)
        after.term = before.term
        #expect(after == before)
    }

    @Test func secondCoordinatorOnOneDatabaseIsRefused() async throws {
        let directory = try TemporaryDirectory()
        let settings = try testSettings(directory.path)
        try await withCoordinator(settings) { client in
            do {
                _ = try await CoordinatorDaemon(settings, logger: quietLogger)
                Issue.record("two coordinators hold one database")
            } catch {
                #expect(CoordinatorDaemon.exitCode(for: error) == .temporary)
                #expect("\(error)".contains("locked by another process"))
            }
            let sessions = Outrider_V1_SessionManager.Client(wrapping: client)
            let made = try await sessions.createApplication(.with { $0.name = "web" })
            #expect(made.name == "web")
        }
    }

    @Test func configurationThatContradictsTheStoreIsRefused() async throws {
        let directory = try TemporaryDirectory()
        _ = try await withCoordinator(try testSettings(directory.path), Self.fill)
        let changed = try testSettings(directory.path, extra: "exclude: [4096-8191]\n")
        do {
            _ = try await CoordinatorDaemon(changed, logger: quietLogger)
            Issue.record("the pool of an installation changed")
        } catch {
            #expect(CoordinatorDaemon.exitCode(for: error) == .configuration)
            #expect("\(error)".contains("key 'exclude'"))
        }
    }

    /// Neither a decoding failure nor another state: both versions, and what to do.
    @Test(
        arguments: [
            ("outrider-image 5\n{}", ExitCode.configuration, "version 5, this program reads version 4"),
            ("outrider-image 1\n{}", .configuration, "version 1, written by an unreleased program"),
            ("{\"revision\":1}", .configuration, "no version, written by an unreleased program"),
            ("outrider-image 2\n{}", .failure, "contradicts itself"),
            ("outrider-image 3\n{}", .failure, "contradicts itself"),
            ("outrider-image 4\n{}", .failure, "contradicts itself"),
        ])
    func snapshotOfAnotherVersionIsNamed(image: String, code: ExitCode, words: String) async throws {
        let directory = try TemporaryDirectory()
        let settings = try testSettings(directory.path)
        _ = try await withCoordinator(settings, Self.fill)
        do {
            let store = try SQLiteStore(directory: directory.path)
            let sequence = try await store.load().lastSequence
            try await store.save(StoredSnapshot(sequence: sequence, image: Array(image.utf8)))
            try await store.close()
        }
        do {
            _ = try await CoordinatorDaemon(settings, logger: quietLogger)
            Issue.record("it starts from \(image)")
        } catch {
            #expect(CoordinatorDaemon.exitCode(for: error) == code)
            #expect("\(error)".contains(words), "\(error)")
        }
    }

    /// Whole bytes of a book that cannot be.
    @Test func snapshotThatContradictsItselfIsRefused() async throws {
        let directory = try TemporaryDirectory()
        let settings = try testSettings(directory.path)
        _ = try await withCoordinator(settings, Self.fill)
        do {
            let store = try SQLiteStore(directory: directory.path)
            let stored = try #require(try await store.load().snapshot)
            let snapshot = try MachineImage.decode(stored.image)
            let text = String(decoding: try JSONEncoder().encode(snapshot), as: UTF8.self)
            // The chunk that the range lies in is closed.
            let edited = text.replacing(#/"chunks":\[[^\]]*\]/#, with: "\"chunks\":[]")
            #expect(edited != text)
            var impossible = try JSONDecoder().decode(CoordinatorSnapshot.self, from: Data(edited.utf8))
            impossible.attachments = snapshot.attachments
            try await store.save(StoredSnapshot(sequence: stored.sequence, image: try MachineImage.encode(impossible)))
            try await store.close()
        }
        do {
            _ = try await CoordinatorDaemon(settings, logger: quietLogger)
            Issue.record("a book that cannot be was believed")
        } catch {
            #expect(CoordinatorDaemon.exitCode(for: error) == .failure)
            #expect("\(error)".contains("lies in no open chunk") && "\(error)".contains("restore a backup"))
        }
    }

    @Test func addressInUseIsNamed() async throws {
        let directory = try TemporaryDirectory()
        let other = try TemporaryDirectory()
        let daemon = try await CoordinatorDaemon(try testSettings(directory.path), logger: quietLogger)
        async let serving: Void = daemon.servers[0].run()
        let port = try #require(try await daemon.servers[0].boundPort())
        var settings = try testSettings(other.path)
        settings.listen[0].port = UInt16(port)
        let second = try await CoordinatorDaemon(settings, logger: quietLogger)
        do {
            try await second.servers[0].run()
            Issue.record("two servers at one address")
        } catch {
            #expect(CoordinatorDaemon.exitCode(for: error) == .cannotCreate)
            #expect("\(error)".hasPrefix("cannot listen on 127.0.0.1:\(port): "))
        }
        daemon.servers[0].stop()
        try await serving
    }
}
