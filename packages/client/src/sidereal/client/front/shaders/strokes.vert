#version 330
// One straight line per instance, as a quad one pixel wider than the line on every side.
uniform vec2 origin;
uniform vec2 size;
in vec2 in_corner;
in vec4 in_ends;      // from x, y to x, y
in vec2 in_look;      // width, length of a dash (0: unbroken)
in vec4 in_colour;
out vec2 along;       // pixels along the line and across it
flat out vec2 extent; // its length and half its width
flat out float dash;
flat out vec4 colour;

void main() {
    vec2 run = in_ends.zw - in_ends.xy;
    float length_px = max(length(run), 1e-3);
    vec2 forward = run / length_px;
    extent = vec2(length_px, in_look.x * 0.5);
    along = vec2(
        mix(-1.0, length_px + 1.0, in_corner.x),
        mix(-1.0, 1.0, in_corner.y) * (extent.y + 1.0));
    dash = in_look.y;
    colour = in_colour;
    vec2 at = in_ends.xy + forward * along.x + vec2(-forward.y, forward.x) * along.y + origin;
    gl_Position = vec4(at / size * 2.0 - 1.0, 0.0, 1.0);
}
