import Foundation
import Journal
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// The real agent on a journal that was damaged while it was dead, with VMs that run.
@Suite(.serialized)
struct JournalDamageTests {
    private func journal(of host: ClusterHost) -> URL { URL(filePath: host.stateDirectory + "/journal") }

    /// The end of a write that the power cut short was never acknowledged: it is cut, and everything before it holds.
    @Test func aTornTailIsCutAndEveryBindingStays() async throws {
        try await TestBed.run("torn") { bed in
            let red = try bed.createApplication("red")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            let host = bed.cluster.hosts[0]
            let file = journal(of: host)
            bed.cluster.agent(host)?.kill()
            let sound = try Data(contentsOf: file)
            // The header of the next record, of 200 bytes, and some of them.
            let next = UInt64(try #require(try Journal.read(path: file.path)?.lines.last).sequence + 1)
            let number = (0..<8).map { UInt8(truncatingIfNeeded: next >> (8 * $0)) }
            let torn = Data([200, 0, 0, 0, 1, 2, 3, 4] + number + number + [UInt8](repeating: 7, count: 24))
            try (sound + torn).write(to: file)
            try bed.cluster.startAgent(host)
            try bed.waitUntilBinding(host)
            let status = try bed.socket(host).status()
            #expect(status.boundCount == 1 && !status.recovering)
            #expect(bed.cluster.agent(host)?.outputText.contains("torn write of \(torn.count) bytes") == true)
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
            #expect(try Data(contentsOf: file).prefix(sound.count) == sound)
            let third = try bed.launch("red-3", of: red, on: 0)
            #expect(third.attachment.sni != near.attachment.sni)
        }
    }

    /// A flipped bit under records that are intact, and one in the last record of a machine that kept its power: the agent goes
    /// back to the last good record, says so, and from there nothing is guessed: what runs goes on and is adopted, nothing is
    /// bound before the operator has looked, and then only what has rested.
    @Test(arguments: [true, false]) func aFlippedBitLeadsToARecoveryAndNoVMNotices(inTheLast: Bool) async throws {
        try await TestBed.run("flip\(inTheLast ? "l" : "m")") { bed in
            let red = try bed.createApplication("red")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
            let host = bed.cluster.hosts[0]
            let file = journal(of: host)
            let incarnation = try bed.socket(host).status().incarnation
            bed.cluster.agent(host)?.kill()
            var bytes = try Data(contentsOf: file)
            // In the first record, behind the header of the file, or the last byte of all.
            let header = 16 + Int(bytes[8])
            bytes[inTheLast ? bytes.count - 1 : header + 30] ^= 0x10
            try bytes.write(to: file)
            let before = try kernel(host)
            try bed.cluster.startAgent(host)
            try bed.cluster.waitUntil("the agent reports recovery", timeout: .seconds(10)) { () throws(KitError) in
                try bed.socket(host).status().recovering
            }
            let text = bed.cluster.agent(host)?.outputText ?? ""
            #expect(text.contains("the journal is damaged at byte \(inTheLast ? "" : "\(header),")"), "\(text)")
            let aside = file.path + ".damaged-1"
            #expect(text.contains("kept as \(aside)"))
            #expect(try Data(contentsOf: URL(filePath: aside)) == bytes, "the evidence is left")
            let status = try bed.socket(host).status()
            #expect(status.damagedJournals == [aside] && status.incarnation == incarnation)
            #expect(try kernel(host) == before)
            for address in far.addresses { #expect(near.reaches(address, within: .seconds(5)), "a running VM goes on") }
            #expect(throws: KitError.self) { try bed.launch("red-3", of: red, on: 0) }

            // The coordinator knows, and waits for somebody who looks.
            try bed.cluster.waitUntil("it is refused", timeout: .seconds(20)) {
                bed.cluster.agent(host)?.outputText.contains("refuses this host (journal-behind)") == true
            }
            let replaced = try bed.cluster.control(["host", "replace", host.name, "--reason", "test"])
            #expect(replaced.status == 0, "\(replaced.output)")
            try bed.cluster.waitUntil("it is joined", timeout: .seconds(30)) { () throws(KitError) in
                let status = try bed.socket(host).status()
                return status.grant != nil && status.boundCount == 1 && status.recovering
            }
            // The coordinator may have staged and taken back blocks meanwhile; nothing of the VM's has gone.
            let own = [near.attachment.port, "\(near.attachment.ipv4)", "\(near.attachment.ipv6)"]
            let gone = zip(before, try kernel(host)).flatMap { $0.lines.subtracting($1.lines) }
            #expect(!gone.contains { line in own.contains { line.contains($0) } }, "\(gone)")
            for address in far.addresses { #expect(near.reaches(address, within: .seconds(5))) }
            try bed.socket(host).resolve()
            try bed.waitUntilBinding(host)
            let third = try bed.launch("red-3", of: red, on: 0)
            #expect(third.attachment.sni != near.attachment.sni)
            #expect(third.reaches(near.ipv4, within: .seconds(5)) && third.reaches(far.ipv6, within: .seconds(5)))
        }
    }

    /// What the agent has written to the overlay's namespace.
    private func kernel(_ host: ClusterHost) throws -> [String] {
        let overlay = host.overlayNamespace
        return try [
            ["ip", "-n", overlay, "route", "show", "proto", "83"],
            ["ip", "-n", overlay, "-6", "route", "show", "proto", "83"],
            ["ip", "-n", overlay, "nexthop", "show"], ["ip", "-n", overlay, "-br", "link"],
            ["bridge", "-n", overlay, "vni", "show"],
        ].map { try Command.run($0) }
    }
}

extension String {
    fileprivate var lines: Set<Substring> { Set(split(separator: "\n")) }
}
