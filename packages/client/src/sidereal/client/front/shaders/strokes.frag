#version 330
in vec2 along;
flat in vec2 extent;
flat in float dash;
flat in vec4 colour;
out vec4 fragment;

void main() {
    float across = clamp(extent.y + 0.5 - abs(along.y), 0.0, 1.0);
    float ends = clamp(min(along.x, extent.x - along.x) + 0.5, 0.0, 1.0);
    float gap = dash > 0.0 && mod(along.x, 2.0 * dash) > dash ? 0.0 : 1.0;
    fragment = vec4(colour.rgb, colour.a * across * ends * gap);
}
