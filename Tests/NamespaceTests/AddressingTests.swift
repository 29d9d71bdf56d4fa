import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// VMs that ask for their addresses, with the clients that people use.
@Suite(.serialized)
struct AddressingTests {
    /// What the agent's answers do to an interface, told by the client through its environment.
    private static let script4 = """
        #!/bin/sh
        [ "$1" = bound ] || [ "$1" = renew ] || exit 0
        ip addr replace "$ip/$mask" dev "$interface"
        ip link set "$interface" mtu "$mtu"
        set -- $staticroutes
        while [ $# -ge 2 ]; do
            if [ "$2" = 0.0.0.0 ]; then ip route replace "$1" dev "$interface"
            else ip route replace "$1" via "$2" dev "$interface"; fi
            shift 2
        done
        echo "$dns $lease $serverid" >"$0.answer"
        """
    private static let script6 = """
        #!/bin/sh
        echo "$new_dhcp6_name_servers" >"$0.answer"
        if [ "$reason" = BOUND6 ]; then ip -6 addr replace "$new_ip6_address/128" dev "$interface"; fi
        """

    private static func executable(_ text: String, at path: String) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    private func ask4(_ slot: VMSlot, _ script: String) throws(KitError) {
        try Command.run(
            [
                "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", script, "-O",
                "staticroutes",
                "-O", "mtu",
            ], namespace: slot.name)
    }

    private struct Folder {
        let path = NSTemporaryDirectory() + "otr-\(getpid())-dhcp"
        init() throws {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try AddressingTests.executable(AddressingTests.script4, at: "\(path)/v4")
            try AddressingTests.executable(AddressingTests.script6, at: "\(path)/v6")
        }
        func remove() { try? FileManager.default.removeItem(atPath: path) }
        func answer(_ name: String) throws -> String {
            try String(contentsOfFile: "\(path)/\(name).answer", encoding: .utf8).trimmingCharacters(
                in: .whitespacesAndNewlines)
        }
    }

    /// - Parameter isPrivate: its link-local address is of its own choice (RFC 7217, RFC 8064), not that of its MAC.
    @Test(arguments: [false, true]) func aVMConfiguresItselfAndReachesAnotherHost(isPrivate: Bool) async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let settings = ["dns-servers": "[192.0.2.53, \"fd00::53\"]"]
        try await TestBed.run("dhcp", agent: settings) { bed in
            let red = try bed.createApplication("red")
            let far = try bed.launch("red-2", of: red, on: 1)
            let slot = try bed.freeSlot()
            // The kernel takes advertisements; nothing else configures the VM.
            try NetworkNamespace.setSysctls(
                [
                    ("net/ipv6/conf/default/accept_ra", "2"),
                    ("net/ipv6/conf/default/addr_gen_mode", isPrivate ? "3" : "0"),
                ], in: slot.name)
            let attachment = try bed.socket(bed.cluster.hosts[0]).attach(
                application: red, vm: "red-1", into: slot, timeout: .seconds(10))
            let addressing = attachment.addressing
            try Command.run(["ip", "link", "set", "eth0", "up"], namespace: slot.name)
            let own = try Command.run(
                ["ip", "-6", "-o", "addr", "show", "eth0", "scope", "link"], namespace: slot.name)
            #expect(own.contains("fe80::") && own.contains("ff:fe") != isPrivate, "\(own)")
            try ask4(slot, "\(folder.path)/v4")
            let shown = try Command.run(["ip", "-4", "-o", "addr", "show", "eth0"], namespace: slot.name)
            #expect(shown.contains("\(addressing.ipv4)/32"), "\(shown)")
            let link = try Command.run(["ip", "-o", "link", "show", "eth0"], namespace: slot.name)
            #expect(link.contains("mtu \(addressing.mtu) "), "\(link)")
            #expect(try folder.answer("v4") == "192.0.2.53 31536000 169.254.1.1")
            #expect(slot.echoIPv4.firstReply(from: far.ipv4, every: .milliseconds(20), timeout: .seconds(5)) != nil)
            // Again, as one that comes back from a reboot, and by unicast to who gave it.
            try ask4(slot, "\(folder.path)/v4")

            try bed.cluster.waitUntil("the kernel has a router", timeout: .seconds(20)) { () throws(KitError) in
                let routes = try Command.run(["ip", "-6", "route", "show", "default"], namespace: slot.name)
                return routes.contains("via fe80::1 dev eth0 proto ra")
            }
            let mtu = try Command.run(["cat", "/proc/sys/net/ipv6/conf/eth0/mtu"], namespace: slot.name)
            #expect(mtu.contains("\(addressing.mtu)"))
            let client = try ChildProcess(
                [
                    "dhclient", "-6", "-d", "-sf", "\(folder.path)/v6", "-lf", "\(folder.path)/leases", "-pf",
                    "\(folder.path)/pid", "-cf", "/dev/null", "eth0",
                ], namespace: slot.name, output: "\(folder.path)/log")
            defer { client.kill() }
            try bed.cluster.waitUntil("it has its address", timeout: .seconds(20), by: client) { () throws(KitError) in
                try Command.run(["ip", "-6", "-o", "addr", "show", "eth0"], namespace: slot.name)
                    .contains("\(addressing.ipv6)/128")
            }
            #expect(try folder.answer("v6") == "fd00::53")
            #expect(slot.echoIPv6.firstReply(from: far.ipv6, every: .milliseconds(20), timeout: .seconds(5)) != nil)
            try await expectNothingLost(slot, to: far.ipv6)
            // No question was dropped.
            let drops = try Command.run([
                bed.cluster.program("outriderctl"), "drops", "--agent-socket", bed.cluster.hosts[0].socket,
            ])
            for reason in ["unconfigured", "flood"] {
                let line = drops.split(separator: "\n").first { $0.hasPrefix(reason) } ?? ""
                #expect(line.split(separator: " ").contains("0"), "\(line)")
            }
        }
    }

    /// Over many rounds of asking whether the gateway is still there, which begin with the link-local address.
    private func expectNothingLost(_ slot: VMSlot, to address: PeerAddress) async throws {
        try NetworkNamespace.setSysctls(
            [
                ("net/ipv6/neigh/eth0/base_reachable_time_ms", "400"), ("net/ipv6/neigh/eth0/retrans_time_ms", "100"),
                ("net/ipv6/neigh/eth0/delay_first_probe_time", "1"),
            ], in: slot.name)
        let stop = StopFlag()
        let stream = try await withThrowingTaskGroup(of: PingStatistics.self) { group in
            group.addTask {
                try await offload { () throws(KitError) in
                    slot.echoIPv6.stream(to: address, every: .milliseconds(5), until: stop, atLeast: 100)
                }
            }
            try await Task.sleep(for: .seconds(6))
            stop.raise()
            return try await group.next()
        }
        #expect(stream?.lost == 0 && stream?.sent ?? 0 > 500, "\(stream as Any)")
    }

    @Test func withoutTheResponderNobodyAnswers() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await TestBed.run("nodhcp", hosts: 1, agent: ["addressing": "\"off\""]) { bed in
            let red = try bed.createApplication("red")
            let slot = try bed.freeSlot()
            _ = try bed.socket(bed.cluster.hosts[0]).attach(
                application: red, vm: "red-1", into: slot, timeout: .seconds(10))
            try Command.run(["ip", "link", "set", "eth0", "up"], namespace: slot.name)
            #expect(throws: KitError.self) { try ask4(slot, "\(folder.path)/v4") }
            let drops = try Command.run([
                bed.cluster.program("outriderctl"), "drops", "--agent-socket", bed.cluster.hosts[0].socket, "--output",
                "json",
            ])
            #expect(drops.contains("\"unconfigured\"") && !drops.contains("\"flood\""))
        }
    }
}
