#version 330
// One axis-parallel rectangle per instance, its colour running from one edge to the other.
uniform vec2 origin;  // pixels from the window's lower left to the batch's zero
uniform vec2 size;    // of the window, pixels
in vec2 in_corner;
in vec4 in_rect;      // left, bottom, width, height
in vec4 in_from;
in vec4 in_to;
in float in_upward;   // 1: the colour runs from bottom to top, 0: from left to right
out vec4 colour;

void main() {
    vec2 at = in_rect.xy + in_corner * in_rect.zw + origin;
    gl_Position = vec4(at / size * 2.0 - 1.0, 0.0, 1.0);
    colour = mix(in_from, in_to, mix(in_corner.x, in_corner.y, in_upward));
}
