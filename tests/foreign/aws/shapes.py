"""Whether an answer on the wire is what the service's model says: no more, no less, of its types.

botocore's own parser passes over what it does not know, so the body is walked here, not the answer.
"""

import json
import xml.etree.ElementTree as tree

from dateutil.parser import isoparse

WHOLE_NUMBERS = ("integer", "long")
NUMBERS = ("double", "float")
# Values that a shape's documentation has and its enumeration has not: of an internet gateway.
BESIDE = {"AttachmentStatus": ["available"]}


def problems_of(operation, protocol, body):
    """What is wrong with the body of a successful answer, in words."""
    shape = operation.output_shape
    if protocol == "query":
        return list(of_query(operation, shape, tree.fromstring(body)))
    if protocol == "ec2":
        return list(of_ec2(operation, shape, tree.fromstring(body)))
    if not body:
        return [] if shape is None else ["the body is empty"]
    value = json.loads(body)
    if shape is None:
        return [] if value == {} else [f"an answer without members has {value}"]
    return list(of_json(value, shape, operation.name))


def of_query(operation, shape, root):
    names = [bare(child.tag) for child in root]
    if bare(root.tag) != f"{operation.name}Response" or names[-1:] != ["ResponseMetadata"]:
        yield f"the envelope is {bare(root.tag)} with {names}"
    results = [child for child in root if bare(child.tag) != "ResponseMetadata"]
    if shape is None:
        yield from (f"no member is expected: {bare(child.tag)}" for result in results for child in result)
    elif [bare(result.tag) for result in results] != [shape.serialization["resultWrapper"]]:
        yield f"the result is not wrapped: {names}"
    else:
        yield from of_xml(results[0], shape, operation.name)


def of_ec2(operation, shape, root):
    if bare(root.tag) != f"{operation.name}Response" or bare(root[0].tag) != "requestId":
        yield f"the envelope is {bare(root.tag)}"
    root.remove(root[0])
    if shape is not None:
        yield from of_xml(root, shape, operation.name)
    elif [(bare(child.tag), child.text) for child in root] != [("return", "true")]:
        yield f"{operation.name} answers more than that it was done"


def bare(tag):
    return tag.rsplit("}")[-1]


def members(shape):
    """Members by their name on the wire."""
    return {member.serialization.get("name", name): member for name, member in shape.members.items()}


def missing(shape, there):
    wired = {name: shape.members[name].serialization.get("name", name) for name in shape.required_members}
    return [name for name, wire in wired.items() if wire not in there]


def of_json(value, shape, where):
    kind = shape.type_name
    if value is None:
        yield f"{where} is null"
    elif kind == "structure":
        if not isinstance(value, dict):
            yield f"{where} is no structure: {value!r}"
            return
        known = members(shape)
        yield from (f"{where} lacks {name}" for name in missing(shape, value))
        for name, inner in value.items():
            if name in known:
                yield from of_json(inner, known[name], f"{where}.{name}")
            else:
                yield f"{where} has an unknown member {name}"
    elif kind == "list":
        if not isinstance(value, list):
            yield f"{where} is no list: {value!r}"
            return
        for index, inner in enumerate(value):
            yield from of_json(inner, shape.member, f"{where}[{index}]")
    elif kind == "map":
        for name, inner in value.items():
            yield from of_json(name, shape.key, f"{where} key")
            yield from of_json(inner, shape.value, f"{where}[{name}]")
    else:
        yield from of_scalar(value, shape, where)


def of_scalar(value, shape, where):
    kind, number = shape.type_name, isinstance(value, (int, float)) and not isinstance(value, bool)
    right = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "timestamp": number,
        "blob": isinstance(value, str),
        **dict.fromkeys(WHOLE_NUMBERS, number and value == int(value) if number else False),
        **dict.fromkeys(NUMBERS, number),
    }
    if not right[kind]:
        yield f"{where} is no {kind}: {value!r}"
    elif kind == "string":
        yield from of_text(value, shape, where)


def of_text(text, shape, where):
    if shape.enum and text not in [*shape.enum, *BESIDE.get(shape.name, [])]:
        yield f"{where} is none of {shape.enum}: {text!r}"
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", len(text))
    if not least <= len(text) <= most:
        yield f"{where} has {len(text)} characters, not {least} to {most}: {text!r}"


def of_xml(element, shape, where):
    kind = shape.type_name
    if kind == "structure":
        known, there = members(shape), [bare(child.tag) for child in element]
        yield from (f"{where} lacks {name}" for name in missing(shape, there))
        for name in set(there):
            if there.count(name) > 1:
                yield f"{where} has {name} more than once"
        for child in element:
            name = bare(child.tag)
            if name in known:
                yield from of_xml(child, known[name], f"{where}.{name}")
            else:
                yield f"{where} has an unknown member {name}"
    elif kind == "list":
        item = shape.member.serialization.get("name", "member")
        for index, child in enumerate(element):
            if bare(child.tag) != item:
                yield f"{where} has {bare(child.tag)} among its {item}s"
            yield from of_xml(child, shape.member, f"{where}[{index}]")
    elif len(element):
        yield f"{where} is no {kind}: it has {[bare(child.tag) for child in element]}"
    else:
        yield from of_xml_text(element.text or "", shape, where)


def of_xml_text(text, shape, where):
    kind = shape.type_name
    try:
        if kind in WHOLE_NUMBERS:
            int(text)
        elif kind in NUMBERS:
            float(text)
        elif kind == "timestamp":
            isoparse(text)
            if not text.endswith("Z") or len(text) > len("2026-11-24T12:00:00.000Z"):
                raise ValueError
        elif kind == "boolean" and text not in ("true", "false"):
            raise ValueError
    except ValueError:
        yield f"{where} is no {kind}: {text!r}"
    if kind == "string":
        yield from of_text(text, shape, where)
