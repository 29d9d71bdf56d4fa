import Foundation
import NamespaceKit

/// pyroute2 on the same objects: what a host agent in Python would take.
enum PythonPeer {
    /// A Python that has pyroute2; `./run bench agent` makes one.
    static let variable = "OUTRIDER_PYROUTE2"

    /// pyroute2 knows no nexthop objects; the attribute that names one is added to its table of route attributes
    /// (RTA_NH_ID of linux/rtnetlink.h, and the ones between). Prints the seconds that the routes took.
    private static let routes = """
        import sys, time
        from pyroute2 import IPRoute
        from pyroute2.netlink.rtnl import rtmsg
        for name in ('PAD', 'UID', 'TTL_PROPAGATE', 'IP_PROTO', 'SPORT', 'DPORT', 'NH_ID'):
            rtmsg.rtmsg_base.nla_map += (('RTA_' + name, 'uint32'),)
        base, count, nexthops = (int(word) for word in sys.argv[1:])
        with IPRoute() as ip:
            # Its requests by themselves miss it (KeyError).
            ip.status['nlm_generator'] = True
            start = time.perf_counter()
            for i in range(count):
                number = base + 16 * i
                message = rtmsg.rtmsg()
                message['family'], message['dst_len'], message['table'], message['proto'] = 2, 28, 254, 83
                message['type'], message['scope'] = 1, 0
                address = '.'.join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
                message['attrs'] = [('RTA_DST', address), ('RTA_NH_ID', 1 + i % nexthops)]
                # RTM_NEWROUTE; request, acknowledge, create, replace.
                list(ip.nlm_request(message, msg_type=24, msg_flags=0x505))
            print(time.perf_counter() - start)
        """

    /// Prints the seconds of one reading of all devices.
    private static let links = """
        import time
        from pyroute2 import IPRoute
        with IPRoute() as ip:
            start = time.perf_counter()
            rows = [(link['index'], link.get_attr('IFLA_STATS64')) for link in ip.get_links()]
            elapsed = time.perf_counter() - start
            assert len(rows) > 4000 and all(row[1] for row in rows)
            print(elapsed)
        """

    /// Seconds for `count` routes of /28 from `base` on; nil, and said, without a Python that has pyroute2.
    static func addRoutes(_ count: Int, base: UInt32, nexthops: Int, in namespace: String) throws -> Double? {
        try run(routes, ["\(base)", "\(count)", "\(nexthops)"], namespace)
    }

    /// Seconds for one reading of all devices.
    static func readLinks(in namespace: String) throws -> Double? { try run(links, [], namespace) }

    private static func run(_ script: String, _ arguments: [String], _ namespace: String) throws -> Double? {
        guard let python = ProcessInfo.processInfo.environment[variable] else { return nil }
        let output = try Command.run([python, "-c", script] + arguments, namespace: namespace, timeout: .seconds(120))
        guard let value = Double(output.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw KitError.unexpected("pyroute2: \(output)")
        }
        return value
    }

    /// A figure of pyroute2, or why there is none.
    static func note(_ metric: String, _ value: Double?, _ unit: String) {
        if let value {
            Results.note(metric, value, unit)
        } else {
            Results.absent(metric, unit, why: "\(variable) names no Python with pyroute2 (pip could not install it)")
        }
    }
}
