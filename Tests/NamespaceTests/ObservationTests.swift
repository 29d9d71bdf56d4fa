import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// Interfaces that another system manages: looked at, and never touched.
@Suite(.serialized)
struct ObservationTests {
    /// Everything of a host's namespace that somebody could have programmed, without what counts by itself.
    private static func configuration(of namespace: String) throws -> [String] {
        let questions = [
            ["ip", "-j", "-d", "link"], ["ip", "-j", "addr"], ["ip", "-j", "route", "show", "table", "all"],
            ["ip", "-j", "-6", "route", "show", "table", "all"], ["ip", "-j", "rule"], ["ip", "-j", "nexthop"],
            ["nft", "-j", "list", "ruleset"], ["ss", "-uln"],
        ]
        // Times to live of addresses and routes run down.
        return try questions.map { question in
            try Command.run(question, namespace: namespace)
                .replacing(/"(valid_life_time|preferred_life_time|expires)":\d+/, with: "")
        }
    }

    private struct Profile: Decodable { var current: Int? }

    private static func runtimeFile(of application: ApplicationID) -> String {
        """
        <domstatus state='running' pid='\(getpid())'><domain type='kvm' id='1'><name>db-1</name>
        <uuid>0f8fad5b-d9cb-469f-a165-70867728950e</uuid><metadata>
        <o:application xmlns:o="urn:outrider:application">\(application)</o:application></metadata><devices>
        <interface type='ethernet'><target dev='otap0'/></interface>
        <interface type='ethernet'><target dev='otap1'/></interface></devices></domain></domstatus>
        """
    }

    /// One port of a VM that answers on the wire, and three taps, as another system would make them.
    private static func makeInterfaces(in machine: String, guest: String, of application: ApplicationID) throws {
        let lines = [
            ["link", "add", "vnet0", "type", "veth", "peer", "name", "eth0", "netns", guest],
            ["link", "set", "vnet0", "up", "addrgenmode", "none", "alias", "web-1 \(application)"],
            ["addr", "add", "198.51.100.1/24", "dev", "vnet0"], ["tuntap", "add", "otap0", "mode", "tap"],
            ["tuntap", "add", "otap1", "mode", "tap"], ["tuntap", "add", "other0", "mode", "tap"],
        ]
        for line in lines { try Command.run(["ip", "-n", machine] + line) }
        try Command.run(["ip", "-n", guest, "addr", "add", "198.51.100.2/24", "dev", "eth0"])
        try Command.run(["ip", "-n", guest, "link", "set", "eth0", "up"])
        try Command.run(["ping", "-c", "3", "-i", "0.1", "198.51.100.1"], namespace: guest)
    }

    @Test func aFleetIsLearntBeforeItIsServed() async throws {
        let folder = NSTemporaryDirectory() + "otr-\(getpid())-libvirt"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let settings = [
            "mode": "observe", "libvirt-runtime": "[\(folder)]",
            "observe": "[\"name=otap* domain=db-* application=metadata\", \"name=vnet* application=alias\"]",
        ]
        try await TestBed.run("obs", hosts: 1, agent: settings) { bed in
            let host = bed.cluster.hosts[0]
            let machine = host.namespace
            let red = try bed.createApplication("red")
            let slot = try bed.freeSlot()
            try Self.makeInterfaces(in: machine, guest: slot.name, of: red)
            let before = try Self.configuration(of: machine)
            try Self.runtimeFile(of: red).write(toFile: "\(folder)/db-1.xml", atomically: true, encoding: .utf8)

            func observed() throws(KitError) -> [AgentTelemetryReport.Observed] {
                try bed.socket(host).status().telemetry?.observed ?? []
            }
            try bed.cluster.waitUntil("three interfaces are read", timeout: .seconds(20)) { () throws(KitError) in
                try observed().map(\.interface) == ["otap0", "otap1", "vnet0"]
            }
            let sent = try observed().last?.sentBytes ?? 0
            try Command.run(["ping", "-c", "10", "-i", "0.01", "-s", "1000", "198.51.100.1"], namespace: slot.name)
            try bed.cluster.waitUntil("its traffic is counted", timeout: .seconds(10)) { () throws(KitError) in
                let row = try observed().last
                return (row?.sentBytes ?? 0) >= sent + 10_000 && row?.application == red && row?.vm == "vnet0"
            }
            // Two VMs: one has two interfaces. The profiler hears of them, the book of identifiers does not.
            func demand() throws(KitError) -> Int? {
                try bed.cluster.control(Profile.self, ["forecast", "show", "red"]).current
            }
            try bed.cluster.waitUntil("the profiler has them", timeout: .seconds(20)) { () throws(KitError) in
                try demand() == 2
            }
            let status = try bed.socket(host).status()
            #expect(status.bindings.isEmpty && status.bindingStopped?.contains("observe") == true)
            #expect(status.telemetry?.sources.map(\.name) == ["observed"])
            let text = try Command.run([
                bed.cluster.program("outriderctl"), "agent", "show", "--agent-socket", host.socket,
            ])
            #expect(text.contains("2 VMs on 3 interfaces of others") && text.contains("db-1"))
            #expect(throws: KitError.self) {
                try bed.socket(host).attach(application: red, vm: "red-1", into: slot, timeout: .seconds(2))
            }
            // Nothing was programmed: not before, and not since.
            #expect(try Self.configuration(of: machine) == before)
            #expect(
                try Command.run(["nft", "-j", "list", "ruleset"], namespace: machine).contains("\"table\"") == false)
            #expect(!NetworkNamespace.list().contains(host.overlayNamespace))

            try Command.run(["ip", "link", "del", "vnet0"], namespace: machine)
            try bed.cluster.waitUntil("one is gone", timeout: .seconds(20)) { () throws(KitError) in
                try demand() == 1
            }
        }
    }

    /// Beside VMs of its own, an agent leaves the others' interfaces as they are.
    @Test func aHostThatServesObservesTheOthers() async throws {
        let rules = ["observe": "[\"name=vnet* application=alias\"]"]
        try await TestBed.run("obsrv", hosts: 1, agent: rules) { bed in
            let machine = bed.cluster.hosts[0].namespace
            let red = try bed.createApplication("red")
            let other = try bed.freeSlot()
            try Command.run(
                ["ip", "link", "add", "vnet0", "type", "veth", "peer", "name", "eth0", "netns", other.name],
                namespace: machine)
            try Command.run(["ip", "link", "set", "vnet0", "alias", "\(red)"], namespace: machine)
            let before = try Self.configuration(of: machine)
            _ = try bed.launch("red-1", of: red, on: 0)
            try bed.cluster.waitUntil("both count", timeout: .seconds(20)) { () throws(KitError) in
                try bed.cluster.control(Profile.self, ["forecast", "show", "red"]).current == 2
            }
            let status = try bed.socket(bed.cluster.hosts[0]).status()
            #expect(status.bindings.count == 1 && status.telemetry?.observed.map(\.interface) == ["vnet0"])
            // All but the filter on the tunnel's UDP port, whose sets know the new block.
            let after = try Self.configuration(of: machine)
            #expect(after[..<6] == before[..<6])
        }
    }
}
