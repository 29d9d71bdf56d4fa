import Foundation
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
            // The header of a record of 200 bytes, and some of them.
            let torn = Data([200, 0, 0, 0, 1, 2, 3, 4] + [UInt8](repeating: 7, count: 40))
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

    /// A flipped bit under records that are intact: what they said of identifiers in use is not to be guessed. The agent says
    /// where, changes nothing, and the way that it names leads to a recovery.
    @Test func aFlippedBitStopsTheAgentAndNothingElse() async throws {
        try await TestBed.run("flip") { bed in
            let red = try bed.createApplication("red")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
            let host = bed.cluster.hosts[0]
            let file = journal(of: host)
            bed.cluster.agent(host)?.kill()
            var bytes = try Data(contentsOf: file)
            // In the first record, behind the header of the file.
            let header = 16 + Int(bytes[8])
            bytes[header + 30] ^= 0x10
            try bytes.write(to: file)
            let before = try kernel(host)
            let agent = try ChildProcess(
                [bed.cluster.program("outrider-agent"), "run", "--config", host.configuration],
                namespace: host.namespace, output: host.log)
            #expect(try agent.wait(timeout: .seconds(20)) == 1)
            #expect(agent.outputText.contains("is damaged at byte \(header)"), "\(agent.outputText)")
            #expect(agent.outputText.contains("move it away to start in recovery"))
            #expect(try Data(contentsOf: file) == bytes, "the evidence is left")
            #expect(try kernel(host) == before)
            for address in far.addresses { #expect(near.reaches(address, within: .seconds(5)), "a running VM goes on") }

            try FileManager.default.moveItem(at: file, to: URL(filePath: file.path + ".damaged"))
            try bed.cluster.startAgent(host)
            try bed.cluster.waitUntil("the agent reports recovery", timeout: .seconds(10)) { () throws(KitError) in
                try bed.socket(host).status().recovering
            }
            for address in far.addresses { #expect(near.reaches(address, within: .seconds(5))) }
            let ours = try Command.run(["ip", "-n", host.overlayNamespace, "route", "show", "proto", "83"])
            #expect(ours.contains("\(near.attachment.addressing.ipv4)"))
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
